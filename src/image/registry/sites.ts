// The registries and mirrors that were reached: how (TLS or not), and what they ask for. Each
// request to one goes through here, with its Authorization, once more when a token has ended.
import { EngineError } from '#base/error.ts';
import { type Access, Authorizer } from './auth.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Source } from './endpoint.ts';
import { failedRequest } from './failure.ts';
import { type Answer, type Ask, discard, type Http } from './http.ts';
import { TransferError } from './retry.ts';
import { isSameOrigin, pingUrl } from './url.ts';

/** Sources that are remembered; configured mirrors and what images were asked for. */
const SITES_MAX = 1000;

/** How a source was reached; challenges are replaced by newer ones. */
export type Site = {
  readonly source: Source;
  readonly origin: string;
  challenges: readonly Challenge[];
};

export class Sites {
  readonly authorizer: Authorizer;
  readonly #http: Http;
  readonly #reached = new Map<string, Site>();

  constructor(http: Http) {
    this.#http = http;
    this.authorizer = new Authorizer(http);
  }

  /** Asks GET /v2/ of each candidate until one answers; the last failure is told. */
  async reach(source: Source, signal: AbortSignal): Promise<Site> {
    const key = keyOf(source);
    const known = this.#reached.get(key);
    if (known !== undefined) return known;
    let failure: unknown;
    for (const { origin } of source.candidates) {
      try {
        const answer = await this.#http.ask({ method: 'GET', url: pingUrl(origin), signal });
        const challenges = answer.status === 401 ? challengesOf(answer) : [];
        await discard(answer);
        // Go's TLS server tells plain HTTP this: what failed before was the way.
        if (answer.status === 400 && failure !== undefined) break;
        const site = { source, origin, challenges };
        if (this.#reached.size >= SITES_MAX) this.#reached.clear();
        this.#reached.set(key, site);
        return site;
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** A request to the site as its repository's user; 401 is answered with a new token, once. */
  async ask(site: Site, access: Access, ask: Ask): Promise<Answer> {
    const answer = await this.#authorized(site, access, ask);
    if (answer.status !== 401 || !isSameOrigin(answer.url, new URL(site.origin))) return answer;
    const challenges = challengesOf(answer);
    const isNew = challenges.some(
      ({ scheme }) => scheme === 'bearer' || !site.challenges.some((old) => old.scheme === scheme),
    );
    if (!isNew) return answer;
    await discard(answer);
    this.authorizer.forget(site, access);
    site.challenges = challenges;
    return this.#authorized(site, access, ask);
  }

  async #authorized(site: Site, access: Access, ask: Ask): Promise<Answer> {
    // A Location may be at another server, for which these credentials are not.
    const own = isSameOrigin(ask.url, new URL(site.origin));
    const authorization = own ? await this.#authorization(site, access, ask) : undefined;
    const headers = authorization === undefined ? {} : { authorization };
    try {
      return await this.#http.ask({ ...ask, headers: { ...ask.headers, ...headers } });
    } catch (error) {
      // It may come back with TLS or without: that is found out anew.
      if (error instanceof TransferError) this.#reached.delete(keyOf(site.source));
      throw error;
    }
  }

  /** Of a pull without credentials dockerd names the request that was not made. */
  async #authorization(site: Site, access: Access, ask: Ask): Promise<string | undefined> {
    try {
      return await this.authorizer.authorization(site, access, ask.signal);
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'unauthorized') throw error;
      const pulls = access.action === 'pull';
      const message = pulls ? failedRequest(ask.method, ask.url, error.message) : error.message;
      throw new TransferError('unauthorized', message, {
        retry: 'never',
        cause: error,
        facts: error.facts,
      });
    }
  }
}

function keyOf({ candidates, prefix }: Source): string {
  return [...candidates.map(({ origin }) => origin), prefix].join(' ');
}

function challengesOf(answer: Answer): readonly Challenge[] {
  return parseChallenges(answer.headers['www-authenticate']);
}
