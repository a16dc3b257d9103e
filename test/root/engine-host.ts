// A host, such as that of a private engine, as others on its link see it: neighbours with addresses
// of their own, and programs that ask and answer in any namespace, a container's too.
import { execFileSync } from 'node:child_process';
import { atExit } from '../../tools/at-exit.ts';
import { Probe, type Where } from './net-probe.ts';

export const HOST = { ip: '192.0.2.1', ip6: '2001:db8:9::1' } as const;
export const NEIGHBOUR = { ip: '192.0.2.2', ip6: '2001:db8:9::2' } as const;

/** Its containers' addresses, as a neighbour may guess that they are behind the host. */
const ROUTES = ['172.16.0.0/12', '10.0.0.0/8'];

let count = 0;

export class EngineHost implements AsyncDisposable {
  readonly #namespace: string;
  readonly #neighbour: string;
  readonly #last: Disposable;
  readonly #probes = new Map<string, Probe>();

  /** Gives the host an interface eth0, on whose other end is the neighbour. */
  constructor({ namespace }: { readonly namespace: string }) {
    this.#namespace = namespace;
    this.#neighbour = `cnh${process.pid}-${count}`;
    count += 1;
    execFileSync('ip', ['netns', 'add', this.#neighbour]);
    this.#last = atExit(() => this.#remove());
    try {
      const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#neighbour];
      this.host('ip', 'link', 'add', 'eth0', ...peer);
      this.#configure((...argv) => this.host('ip', ...argv), HOST);
      this.#configure((...argv) => this.neighbour('ip', ...argv), NEIGHBOUR);
      for (const to of ROUTES) this.neighbour('ip', 'route', 'add', to, 'via', HOST.ip);
      this.neighbour('ip', '-6', 'route', 'add', 'fd00::/8', 'via', HOST.ip6);
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  #configure(ip: (...argv: string[]) => unknown, address: typeof HOST | typeof NEIGHBOUR): void {
    ip('link', 'set', 'lo', 'up');
    ip('addr', 'add', `${address.ip}/24`, 'dev', 'eth0');
    ip('addr', 'add', `${address.ip6}/64`, 'dev', 'eth0', 'nodad');
    ip('link', 'set', 'eth0', 'up');
  }

  /** Path of the neighbour's network namespace. */
  get neighbourNamespace(): string {
    return `/run/netns/${this.#neighbour}`;
  }

  /** Runs a program as the host, and answers what it printed. */
  host(...argv: readonly string[]): string {
    return inside(this.#namespace, argv);
  }

  neighbour(...argv: readonly string[]): string {
    return inside(this.neighbourNamespace, argv);
  }

  /** A program that answers on these ports and asks, as `name`. */
  async probe(name: string, namespace: string, ports: readonly number[] = []): Promise<void> {
    const probe = new Probe(namespace, name, ports);
    this.#probes.set(name, probe);
    await probe.ready;
  }

  /** Ends a program: a container's namespace would live on with it. */
  async silence(name: string): Promise<void> {
    await this.#probes.get(name)?.[Symbol.asyncDispose]();
    this.#probes.delete(name);
  }

  /** Who answered and whom it saw ("web 192.0.2.2"), "refused N", or "none". */
  async ask(from: string, where: Where, wanted?: string): Promise<string> {
    const probe = this.#probes.get(from);
    if (probe === undefined) throw new Error(`no probe ${from}`);
    return await probe.ask(where, wanted);
  }

  /** Every rule of both families, without counters. */
  rules(): string {
    return [
      this.host('iptables-save'),
      this.host('ip6tables-save'),
      this.host('nft', 'list', 'ruleset'),
    ]
      .join('\n')
      .replace(/^#.*$/gm, '')
      .replace(/\[\d+:\d+\]/g, '')
      .replace(/packets \d+ bytes \d+/g, '');
  }

  /** Names of the host's interfaces. */
  links(): readonly string[] {
    const text = this.host('ip', '-o', 'link');
    return text
      .trim()
      .split('\n')
      .map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? '');
  }

  #remove(): void {
    this.#last[Symbol.dispose]();
    execFileSync('ip', ['netns', 'del', this.#neighbour]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const probe of this.#probes.values()) await probe[Symbol.asyncDispose]();
    this.#remove();
  }
}

export function inside(namespace: string, argv: readonly string[]): string {
  return execFileSync('nsenter', [`--net=${namespace}`, ...argv], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
}
