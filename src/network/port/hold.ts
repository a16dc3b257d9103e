// Sockets that keep published ports from the programs of the host: bound and never listening, so
// that a program which wants the port is told EADDRINUSE at once, and we are, when it came first.
// They live in a process of their own beside the agent, which ends with the daemon: in the moment
// of a restart a program may take a port, and recovery says so.
import { isEngineError } from '#base/error.ts';
import { type IpAddress, parseIp } from '#base/ip-address.ts';
import { errnoName, OpError } from '#kernel/native/encode.ts';
import type { NativeAgent } from '#kernel/native/agent.ts';
import type { OpOf } from '#kernel/native/op.ts';
import type { PortProtocol } from '../engine.ts';
import type { Destination, LoopbackForwards } from './loopback.ts';
import { findOwner, type PortOwner } from './owner.ts';

/** IPPROTO_* */
const PROTOCOLS: Readonly<Record<PortProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

export type HostPort = {
  readonly protocol: PortProtocol;
  readonly hostIp: string;
  readonly hostPort: number;
  /** Of ::1, see loopback.ts. */
  readonly forward?: Destination;
};

/** How far it went: `held` of the list are held; the next was refused with `errno`. */
export type Holding = { readonly held: number; readonly errno: string | undefined };

function addressBytes({ family, value }: IpAddress): Buffer {
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

const argumentsOf = ({ protocol, hostIp, hostPort }: HostPort) => ({
  namespace: '',
  protocol: PROTOCOLS[protocol],
  address: addressBytes(parseIp(hostIp)),
  port: hostPort,
});

const keyOf = ({ protocol, hostIp, hostPort }: HostPort): string =>
  `${protocol} ${hostIp} ${hostPort}`;

/** Where there is no SCTP, no program can have the port either. */
const isNoProtocol = (port: HostPort | undefined, errno: string): boolean =>
  port?.protocol === 'sctp' && (errno === 'EPROTONOSUPPORT' || errno === 'ESOCKTNOSUPPORT');

export class HostSockets {
  readonly #agent: Pick<NativeAgent, 'perform' | 'pid'>;
  readonly #loopback: LoopbackForwards;
  /** What the process should hold, for the one that follows when it was killed. */
  readonly #bound = new Map<string, HostPort>();
  #pid = 0;

  constructor(agent: Pick<NativeAgent, 'perform' | 'pid'>, loopback: LoopbackForwards) {
    this.#agent = agent;
    this.#loopback = loopback;
  }

  /** Who else has the port, after it was refused. */
  owner(port: HostPort): Promise<PortOwner | undefined> {
    return findOwner(port, this.#agent.pid);
  }

  async hold(ports: readonly HostPort[]): Promise<Holding> {
    let held = 0;
    while (held < ports.length) {
      const { forward, hostPort } = ports[held] ?? {};
      if (forward !== undefined && hostPort !== undefined) {
        const errno = await this.#loopback.open(hostPort, forward);
        if (errno !== undefined) return { held, errno };
        held += 1;
        continue;
      }
      const end = ports.findIndex((port, index) => index > held && port.forward !== undefined);
      const some = ports.slice(held, end < 0 ? ports.length : end);
      const { held: more, errno } = await this.#bind(some);
      held += more;
      if (errno !== undefined && !isNoProtocol(ports[held], errno)) return { held, errno };
      if (errno !== undefined) held += 1;
    }
    return { held, errno: undefined };
  }

  async #bind(ports: readonly HostPort[]): Promise<Holding> {
    const holding = await this.#perform(ports).catch((error: unknown) => {
      // It was killed, and its sockets are gone: what it was asked now is asked of the next.
      if (isEngineError(error, 'internal')) return this.#perform(ports);
      throw error;
    });
    for (const port of ports.slice(0, holding.held)) this.#bound.set(keyOf(port), port);
    const before = this.#pid;
    this.#pid = this.#agent.pid;
    if (before !== 0 && before !== this.#pid) await this.#bindAgain();
    return holding;
  }

  /** Another process answered than the last time. What somebody took meanwhile is theirs. */
  async #bindAgain(): Promise<void> {
    const all = [...this.#bound.values()];
    for (let at = 0; at < all.length; at += 1) at += (await this.#perform(all.slice(at))).held;
  }

  async #perform(ports: readonly HostPort[]): Promise<Holding> {
    try {
      await this.#agent.perform(
        ports.map((port): OpOf<'port_hold'> => ({ op: 'port_hold', ...argumentsOf(port) })),
      );
      return { held: ports.length, errno: undefined };
    } catch (error) {
      if (!(error instanceof OpError)) throw error;
      return { held: error.result.index, errno: errnoName(error.result.errno) };
    }
  }

  async release(ports: readonly HostPort[]): Promise<void> {
    for (const { forward, hostPort } of ports) {
      if (forward !== undefined) this.#loopback.close(hostPort);
    }
    const bound = ports.filter(({ forward }) => forward === undefined);
    if (bound.length === 0) return;
    for (const port of bound) this.#bound.delete(keyOf(port));
    try {
      await this.#agent.perform(
        bound.map((port): OpOf<'port_release'> => ({ op: 'port_release', ...argumentsOf(port) })),
      );
    } catch (error) {
      // The process is gone, and its sockets with it.
      if (!isEngineError(error, 'internal')) throw error;
    }
  }
}
