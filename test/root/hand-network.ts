// What an administrator makes by hand with ip and nft, as Coracle's twin: a host with a bridge, two
// containers on it, a published port, and a neighbour on the host's link. The measure of
// throughput.
import { execFileSync } from 'node:child_process';
import { atExit } from '../../tools/at-exit.ts';

const SUBNET = '10.98.0';

export class HandNetwork implements Disposable {
  readonly #id = `chand${process.pid}`;
  readonly #last = atExit(() => this[Symbol.dispose]());
  /** Addresses of the two containers, and of the host as its neighbour sees it. */
  readonly a = `${SUBNET}.2`;
  readonly b = `${SUBNET}.3`;
  readonly host = '192.0.2.1';

  /** `port` of the host leads to the same port of container a. */
  constructor(port: number) {
    try {
      for (const name of NAMES) execFileSync('ip', ['netns', 'add', `${this.#id}-${name}`]);
      this.#wire(port);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Path of a namespace: host, out, a or b. */
  namespace(name: (typeof NAMES)[number]): string {
    return `/run/netns/${this.#id}-${name}`;
  }

  #batch(name: (typeof NAMES)[number], lines: readonly string[]): void {
    execFileSync('ip', ['-n', `${this.#id}-${name}`, '-batch', '-'], {
      input: `${lines.join('\n')}\n`,
    });
  }

  #wire(port: number): void {
    this.#batch('host', [
      'link set lo up',
      `link add eth0 type veth peer name eth0 netns ${this.#id}-out`,
      `addr add ${this.host}/24 dev eth0`,
      'link set eth0 up',
      'link add br0 type bridge',
      `addr add ${SUBNET}.1/24 dev br0`,
      'link set br0 up',
      ...(['a', 'b'] as const).flatMap((name) => [
        `link add v-${name} type veth peer name eth0 netns ${this.#id}-${name}`,
        `link set v-${name} master br0 up`,
      ]),
    ]);
    this.#batch('out', ['link set lo up', 'addr add 192.0.2.2/24 dev eth0', 'link set eth0 up']);
    for (const name of ['a', 'b'] as const) {
      this.#batch(name, [
        'link set lo up',
        `addr add ${this[name]}/24 dev eth0`,
        'link set eth0 up',
        `route add default via ${SUBNET}.1`,
      ]);
    }
    const run = ['netns', 'exec', `${this.#id}-host`];
    execFileSync('ip', [...run, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    execFileSync('ip', [...run, 'nft', '-f', '-'], {
      input: `table ip nat {
        chain prerouting {
          type nat hook prerouting priority dstnat;
          iifname "eth0" tcp dport ${port} dnat to ${this.a}:${port}
        }
        chain postrouting {
          type nat hook postrouting priority srcnat;
          ip saddr ${SUBNET}.0/24 oifname "eth0" masquerade
        }
      }`,
    });
  }

  [Symbol.dispose](): void {
    this.#last[Symbol.dispose]();
    for (const name of NAMES) {
      try {
        execFileSync('ip', ['netns', 'del', `${this.#id}-${name}`], { stdio: 'ignore' });
      } catch {
        // It was never made.
      }
    }
  }
}

const NAMES = ['host', 'out', 'a', 'b'] as const;
