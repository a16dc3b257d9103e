// A host with containers and a neighbour, made of network namespaces: what a firewall is tested in.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NativeAgent } from '#kernel/native/agent.ts';
import { atExit } from '../../tools/at-exit.ts';
import { NATIVE } from './native-path.ts';
import { Probe, type Where } from './net-probe.ts';

export type Bridge = {
  readonly bridge: string;
  /** Third number of 10.91.N.0/24 and second group of fd91:N::/64. */
  readonly n: number;
  readonly containers: readonly string[];
};

export class NetLab implements AsyncDisposable {
  readonly #id: string;
  readonly #bridges: readonly Bridge[];
  readonly #scratch = mkdtempSync(join(tmpdir(), 'clab-'));
  readonly #probes = new Map<string, Probe>();
  readonly #last = atExit(() => this.#removeNamespaces());

  constructor(bridges: readonly Bridge[], ports: Readonly<Record<string, readonly number[]>>) {
    this.#id = `clab${process.pid}`;
    this.#bridges = bridges;
    try {
      for (const name of this.names) execFileSync('ip', ['netns', 'add', this.namespace(name)]);
      this.#wire();
      for (const name of this.names) {
        this.#probes.set(
          name,
          new Probe(`/run/netns/${this.namespace(name)}`, name, ports[name] ?? [80, 81]),
        );
      }
    } catch (error) {
      this.#removeNamespaces();
      throw error;
    }
  }

  get names(): readonly string[] {
    return ['host', 'out', ...this.#bridges.flatMap(({ containers }) => containers)];
  }

  namespace(name: string): string {
    return `${this.#id}-${name}`;
  }

  async ready(): Promise<void> {
    await Promise.all([...this.#probes.values()].map((probe) => probe.ready));
  }

  /** Command prefix that runs a program as the host. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.namespace('host')];
  }

  /** An agent that lives on the host of the lab, as the daemon's does on its own. */
  agent(): NativeAgent {
    const path = join(this.#scratch, 'agent');
    const argv = [...this.prefix, NATIVE].join(' ');
    writeFileSync(path, `#!/bin/sh\nexec ${argv} "$@"\n`, { mode: 0o755 });
    return new NativeAgent(path);
  }

  run(name: string, ...argv: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace(name), ...argv], {
      encoding: 'utf8',
    });
  }

  /** Who answered and whom it saw ("a1 192.0.2.2"), "refused N", or "none". */
  async ask(from: string, where: Where, wanted?: string): Promise<string> {
    return (await this.#probes.get(from)?.ask(where, wanted)) ?? 'no such namespace';
  }

  #batch(name: string, lines: readonly string[]): void {
    execFileSync('ip', ['-n', this.namespace(name), '-batch', '-'], {
      input: `${lines.join('\n')}\n`,
    });
  }

  #wire(): void {
    const out = this.namespace('out');
    this.#batch('host', [
      'link set lo up',
      `link add eth0 type veth peer name eth0 netns ${out}`,
      'addr add 192.0.2.1/24 dev eth0',
      'addr add 2001:db8:9::1/64 dev eth0 nodad',
      'link set eth0 up',
      ...this.#bridges.flatMap(({ bridge, n, containers }) => [
        `link add ${bridge} type bridge`,
        `addr add 10.91.${n}.1/24 dev ${bridge}`,
        `addr add fd91:${n}::1/64 dev ${bridge} nodad`,
        `link set ${bridge} up`,
        ...containers.flatMap((name) => [
          `link add v-${name} type veth peer name eth0 netns ${this.namespace(name)}`,
          `link set v-${name} master ${bridge} up`,
          `link set v-${name} type bridge_slave hairpin on`,
        ]),
      ]),
    ]);
    this.#batch('out', [
      'link set lo up',
      'addr add 192.0.2.2/24 dev eth0',
      'addr add 2001:db8:9::2/64 dev eth0 nodad',
      'link set eth0 up',
      'route add 10.91.0.0/16 via 192.0.2.1',
      'route add fd91::/16 via 2001:db8:9::1',
    ]);
    for (const { n, containers } of this.#bridges) {
      for (const [index, name] of containers.entries()) {
        this.#batch(name, [
          'link set lo up',
          `addr add 10.91.${n}.${index + 2}/24 dev eth0`,
          `addr add fd91:${n}::${index + 2}/64 dev eth0 nodad`,
          'link set eth0 up',
          `route add default via 10.91.${n}.1`,
          `route add default via fd91:${n}::1`,
        ]);
      }
    }
    const sysctls = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    for (const { bridge } of this.#bridges)
      sysctls.push(`net.ipv4.conf.${bridge}.route_localnet=1`);
    this.run('host', 'sysctl', '-qw', ...sysctls);
  }

  #removeNamespaces(): void {
    this.#last[Symbol.dispose]();
    rmSync(this.#scratch, { recursive: true, force: true });
    for (const name of this.names) {
      try {
        execFileSync('ip', ['netns', 'del', this.namespace(name)], { stdio: 'ignore' });
      } catch {
        // It was never made.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const probe of this.#probes.values()) await probe[Symbol.asyncDispose]();
    this.#removeNamespaces();
  }
}
