// The embedded DNS of all sandboxes: 127.0.0.11:53 in each that is on a user-defined network.
//
// Owns the table of names and the relay (native/relay.c), which is started by the first such
// sandbox and lives on without us. A sandbox that is only on the default bridge costs nothing here.
// Not here: sockets inside containers, and what an answer looks like (dns/).
import { setTimeout as sleep } from 'node:timers/promises';
import { isEngineError } from '#base/error.ts';
import { Relay } from '#kernel/native/relay.ts';
import { type Ask, isAnswer, limitForward, makeForward } from '../dns/forward.ts';
import { NameTable, type SandboxNetwork } from '../dns/names.ts';
import {
  internalResolvConf,
  legacyResolvConf,
  ndotsOf,
  type ResolvOverrides,
} from '../dns/resolv-conf.ts';
import { answer, type Forward } from '../dns/resolver.ts';
import type { Sandbox } from '../engine.ts';
import type { NamePart, Plugged } from '../parts.ts';
import { checkDns } from './check.ts';
import { describe, hasNames } from './describe.ts';
import { HostResolvConf } from './host-file.ts';

/** A relay that ends is started again so often; the next container on a network tries anew. */
export const RESTORE_TRIES_MAX = 5;
const RESTORE_STEP_MS = 500;
/** Of one sandbox, under way to upstream servers: none can take what the others need. */
export const SANDBOX_FORWARDS_MAX = 256;

export type NameOptions = {
  /** Where the relay listens, the same for each daemon on this exec root; at most 107 bytes. */
  readonly relayPath: string;
  readonly nativePath: string;
  /** --dns, --dns-search and --dns-opts of the daemon, for containers that say nothing. */
  readonly defaults: ResolvOverrides;
  readonly report: (error: unknown) => void;
  readonly host?: HostResolvConf;
  readonly forward?: Forward;
};

/** A sandbox that is on a user-defined network. */
type Known = {
  readonly id: string;
  /** Of its namespace. */
  readonly path: string;
  readonly endpoints: readonly string[];
  readonly networks: readonly SandboxNetwork[];
  readonly forwards: boolean;
  readonly overrides: ResolvOverrides;
  /** Of the file that it has: the host's may change later. */
  readonly ndots: number;
  readonly forward: Forward;
};

export class NameService implements NamePart, AsyncDisposable {
  readonly #relay: Relay;
  readonly #names = new NameTable();
  readonly #known = new Map<string, Known>();
  readonly #defaults: ResolvOverrides;
  readonly #host: HostResolvConf;
  readonly #forward: Forward;
  readonly #report: (error: unknown) => void;
  readonly #closing = new AbortController();
  /** The relay ended, and not every sandbox listens again yet. */
  #broken = false;
  #restoring = false;

  constructor(options: NameOptions) {
    this.#defaults = options.defaults;
    this.#host = options.host ?? new HostResolvConf();
    this.#forward = options.forward ?? makeForward();
    this.#report = options.report;
    this.#relay = new Relay({
      path: options.relayPath,
      nativePath: options.nativePath,
      handle: (id, message, tcp) => this.#answer(id, message, tcp),
      report: options.report,
      lost: () => {
        this.#broken = true;
        void this.#restore();
      },
    });
  }

  plainResolvConf(dns: Sandbox['dns'], sharesHost: boolean): string {
    const overrides = this.#overrides(dns);
    checkDns(overrides);
    const host = this.#host.read();
    const asIs = sharesHost && Object.keys(overrides).length === 0;
    return asIs ? host.text : legacyResolvConf(host, overrides, { ipv6: sharesHost, sharesHost });
  }

  resolvConf({ sandbox, plugs }: Plugged): string {
    const overrides = this.#overrides(sandbox.dns);
    checkDns(overrides);
    const host = this.#host.read();
    if (plugs.some(({ network }) => hasNames(network))) {
      return internalResolvConf(host, overrides);
    }
    const ipv6 = plugs.some(({ endpoint }) => endpoint.ip6 !== undefined);
    return legacyResolvConf(host, overrides, { ipv6 });
  }

  async set(target: Plugged): Promise<void> {
    const { containerId, path } = target.sandbox;
    const before = this.#known.get(containerId);
    const listens = this.#learn(target);
    if (!listens) {
      if (before !== undefined) await this.#silence(containerId);
      return;
    }
    if (before?.path === path) return;
    try {
      await this.#relay.add(containerId, path);
    } catch (error) {
      this.#forget(containerId);
      throw error;
    }
    if (this.#broken) void this.#restore();
  }

  async remove(containerId: string): Promise<void> {
    if (this.#forget(containerId)) await this.#silence(containerId);
  }

  async recover(targets: readonly Plugged[]): Promise<void> {
    // First the names: the relay sends what waits as soon as we are connected.
    for (const target of targets) this.#learn(target);
    const held = await this.#relay.list();
    await Promise.all([
      ...held.filter((id) => !this.#known.has(id)).map((id) => this.#silence(id)),
      ...[...this.#known.values()].map((known) => this.#listen(known)),
    ]);
  }

  /** For tests of leaks, and for the daemon's own account. */
  get size(): { readonly sandboxes: number; readonly endpoints: number } {
    return { sandboxes: this.#known.size, endpoints: this.#names.size };
  }

  #overrides(dns: Sandbox['dns']): ResolvOverrides {
    const servers = dns.servers ?? this.#defaults.servers;
    const search = dns.search ?? this.#defaults.search;
    const options = dns.options ?? this.#defaults.options;
    return {
      ...(servers === undefined ? {} : { servers }),
      ...(search === undefined ? {} : { search }),
      ...(options === undefined ? {} : { options }),
    };
  }

  /** Puts the sandbox's names into the table, in place of older ones; whether it has any. */
  #learn(target: Plugged): boolean {
    const { containerId: id, path } = target.sandbox;
    const { endpoints, networks, forwards } = describe(target);
    this.#forget(id);
    if (networks.length === 0) return false;
    for (const endpoint of endpoints) this.#names.set(endpoint);
    const overrides = this.#overrides(target.sandbox.dns);
    const given = overrides.options ?? this.#host.read().conf.options;
    this.#known.set(id, {
      id,
      path,
      endpoints: endpoints.map((endpoint) => endpoint.id),
      networks,
      forwards,
      overrides,
      ndots: ndotsOf(given) ?? 0,
      forward: this.#forwardOf(target.sandbox),
    });
    return true;
  }

  #forget(id: string): boolean {
    for (const endpoint of this.#known.get(id)?.endpoints ?? []) this.#names.delete(endpoint);
    return this.#known.delete(id);
  }

  async #silence(id: string): Promise<void> {
    try {
      await this.#relay.remove(id);
    } catch (error) {
      // A relay that ended in between has closed its sockets, this one's too.
      if (!isEngineError(error, 'unavailable')) throw error;
    }
  }

  /** One sandbox that cannot be served must not keep the others waiting. */
  async #listen(known: Known): Promise<void> {
    try {
      await this.#relay.add(known.id, known.path);
    } catch (error) {
      this.#report(error);
    }
  }

  /** The relay ended although it never should while we are connected: all its sockets are gone. */
  async #restore(): Promise<void> {
    if (this.#restoring) return;
    this.#restoring = true;
    const { signal } = this.#closing;
    for (let tries = 1; tries <= RESTORE_TRIES_MAX && !signal.aborted; tries += 1) {
      try {
        for (const known of [...this.#known.values()]) {
          if (this.#known.get(known.id) === known) await this.#relay.add(known.id, known.path);
        }
        this.#broken = false;
        break;
      } catch (error) {
        this.#report(error);
        await sleep(RESTORE_STEP_MS * tries, undefined, { signal, ref: false }).catch(() => {});
      }
    }
    this.#restoring = false;
  }

  async #answer(id: string, message: Buffer, tcp: boolean): Promise<Buffer | undefined> {
    const known = this.#known.get(id);
    if (known === undefined) return undefined;
    const { networks, forwards, ndots, overrides } = known;
    const servers = overrides.servers ?? this.#host.read().conf.servers;
    const sandbox = { id, networks, forwards, servers, ndots };
    return await answer({ message, tcp, sandbox, names: this.#names, forward: known.forward });
  }

  /**
   * Servers that the container itself named are asked from inside: one may be on its own loopback,
   * or where the host has no way to. All others are asked from the host.
   */
  #forwardOf({ containerId, dns }: Sandbox): Forward {
    if (dns.servers === undefined) return limitForward(this.#forward, SANDBOX_FORWARDS_MAX);
    const ask: Ask = async (message, { host, port }, how) => {
      const question = { ...how, message, host, port };
      const given = await this.#relay.forward(containerId, question);
      return given !== undefined && isAnswer(given, message) ? given : undefined;
    };
    return makeForward({ concurrent: SANDBOX_FORWARDS_MAX, ask });
  }

  /** Lets go of the relay, which holds what containers ask until the next daemon connects. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#relay[Symbol.asyncDispose]();
  }
}
