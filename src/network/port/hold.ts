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
import { findOwner, type PortOwner } from './owner.ts';

/** IPPROTO_* */
const PROTOCOLS: Readonly<Record<PortProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

export type HostPort = {
  readonly protocol: PortProtocol;
  readonly hostIp: string;
  readonly hostPort: number;
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

/** Where there is no SCTP, no program can have the port either. */
const isNoProtocol = (port: HostPort | undefined, errno: string): boolean =>
  port?.protocol === 'sctp' && (errno === 'EPROTONOSUPPORT' || errno === 'ESOCKTNOSUPPORT');

export class HostSockets {
  readonly #agent: Pick<NativeAgent, 'perform' | 'pid'>;

  constructor(agent: Pick<NativeAgent, 'perform' | 'pid'>) {
    this.#agent = agent;
  }

  /** Who else has the port, after it was refused. */
  owner(port: HostPort): Promise<PortOwner | undefined> {
    return findOwner(port, this.#agent.pid);
  }

  async hold(ports: readonly HostPort[]): Promise<Holding> {
    let held = 0;
    while (held < ports.length) {
      const ops = ports
        .slice(held)
        .map((port): OpOf<'port_hold'> => ({ op: 'port_hold', ...argumentsOf(port) }));
      try {
        await this.#agent.perform(ops);
        held = ports.length;
      } catch (error) {
        if (!(error instanceof OpError)) throw error;
        held += error.result.index;
        const errno = errnoName(error.result.errno);
        if (!isNoProtocol(ports[held], errno)) return { held, errno };
        held += 1;
      }
    }
    return { held, errno: undefined };
  }

  async release(ports: readonly HostPort[]): Promise<void> {
    if (ports.length === 0) return;
    try {
      await this.#agent.perform(
        ports.map((port): OpOf<'port_release'> => ({ op: 'port_release', ...argumentsOf(port) })),
      );
    } catch (error) {
      // The process is gone, and its sockets with it.
      if (!isEngineError(error, 'internal')) throw error;
    }
  }
}
