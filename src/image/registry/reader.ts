// Reads: the mirrors in their order and then the registry itself, all of it again while that
// promises success.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reference } from '#base/reference.ts';
import type { Access } from './auth.ts';
import { readSources, type Source, upstreamOf } from './endpoint.ts';
import { ERROR_BYTES_MAX, refusalError } from './error-body.ts';
import { type Answer, fieldOf, readSome } from './http.ts';
import { MIRROR_REST_MS, type RegistryLimits, WRONG_CONTENT_MAX } from './limit.ts';
import type { Target } from './protocol.ts';
import type { RegistryConfig, TransferOptions } from './registry.ts';
import { backoffMs, retryAfterMs, TransferError } from './retry.ts';
import type { Site, Sites } from './sites.ts';
import { scopeOf } from './url.ts';

/** A repository at one of its sources. */
export type Place = {
  readonly site: Site;
  readonly source: Source;
  readonly origin: string;
  readonly path: string;
  readonly access: Access;
};

export class Reader {
  readonly config: RegistryConfig;
  readonly sites: Sites;
  readonly #limits: RegistryLimits;
  /** Mirrors that failed, and until when they are left alone. */
  readonly #resting = new Map<string, number>();

  constructor(config: RegistryConfig, limits: RegistryLimits, sites: Sites) {
    this.config = config;
    this.sites = sites;
    this.#limits = limits;
  }

  /** The registry itself, for who writes; reads of a push are not answered by a mirror either. */
  async upstream({ name, action, auth }: Target, signal: AbortSignal): Promise<Place> {
    const source = upstreamOf(name.domain, this.config.insecure);
    const site = await this.sites.reach(source, signal);
    return placeOf(site, name, { action, scopes: [scopeOf(name.path, action)], auth });
  }

  /** One pass over all sources: what a mirror lacks or does wrong is asked of the next. */
  async pass<T>(
    target: Target,
    signal: AbortSignal,
    run: (place: Place) => Promise<T>,
  ): Promise<T> {
    for (const source of this.#mirrors(target)) {
      try {
        const site = await this.sites.reach(source, signal);
        // The user's credentials are for the registry, not for who stands in for it.
        const path = `${source.prefix}${target.name.path}`;
        const access = {
          action: 'pull',
          scopes: [scopeOf(path, 'pull')],
          auth: undefined,
        } as const;
        return await run(placeOf(site, target.name, access));
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        if (error.code !== 'not_found') {
          this.#resting.set(source.host, performance.now() + MIRROR_REST_MS);
        }
      }
    }
    return run(await this.upstream(target, signal));
  }

  #mirrors({ name, action }: Target): readonly Source[] {
    if (action === 'push') return [];
    const now = performance.now();
    return readSources(name.domain, this.config).filter(
      ({ host, mirrorOf }) => mirrorOf !== undefined && (this.#resting.get(host) ?? 0) < now,
    );
  }

  /** Passes until one succeeds, or another cannot. */
  read<T>(target: Target, options: TransferOptions, run: (p: Place) => Promise<T>): Promise<T> {
    return this.retried(options, () => this.pass(target, options.signal, run));
  }

  async retried<T>(options: TransferOptions, run: () => Promise<T>): Promise<T> {
    let wrong = 0;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        if (error.code === 'corrupt') wrong += 1;
        if (wrong >= WRONG_CONTENT_MAX) throw error;
        await this.waitAfter(error, attempt, options);
      }
    }
  }

  /** Waits before the next attempt, or throws what ends them. */
  async waitAfter(error: TransferError, attempt: number, options: TransferOptions): Promise<void> {
    if (error.retry !== 'always' || attempt >= this.config.attemptsMax) throw error;
    const ms = error.afterMs ?? backoffMs(attempt, this.#limits.retryMs, Math.random());
    options.onRetry?.(Math.ceil(ms / 1000), error.message);
    await sleep(ms, undefined, { signal: options.signal });
  }
}

function placeOf(site: Site, { path }: Reference, access: Access): Place {
  return { site, source: site.source, origin: site.origin, path, access };
}

/** What an answer that is no success means. */
export async function refusedBy(answer: Answer): Promise<TransferError> {
  const body = await readSome(answer, ERROR_BYTES_MAX);
  const { status, headers } = answer;
  const afterMs = retryAfterMs(fieldOf(answer, 'retry-after'), Date.now());
  return refusalError({ status, body, authenticate: headers['www-authenticate'] }, afterMs);
}
