// Which ports of the host are ours, and whose: in memory, filled again from the sandboxes' records
// when the daemon starts. Finding a free port costs the same with none and with thousands taken.
import type { PortProtocol } from '../engine.ts';
import type { Destination } from './loopback.ts';

/** One port at one address of the host. */
export type Claim = {
  readonly protocol: PortProtocol;
  /** Canonical: "0.0.0.0", "::" or one address. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerId: string;
  readonly containerName: string;
  /** Of a port on ::1: where its connections are copied to. */
  readonly forward?: Destination;
};

export type PortRange = { readonly first: number; readonly last: number };

const PORTS = 65_536;
const WORD_BITS = 32;
const FULL = 0xffff_ffff;

const isAny = (ip: string): boolean => ip === '0.0.0.0' || ip === '::';
const isSix = (ip: string): boolean => ip.includes(':');

/** As the kernel sees it: an address and "every address" of its family are in each other's way. */
export const collide = (one: string, other: string): boolean =>
  isSix(one) === isSix(other) && (one === other || isAny(one) || isAny(other));

class ProtocolPorts {
  readonly claims = new Map<number, readonly Claim[]>();
  /** One bit a port that has any claim. */
  readonly #used = new Uint32Array(PORTS / WORD_BITS);
  /** Where the search for a free port goes on: a port that was just given back rests. */
  readonly #next = new Map<string, number>();

  mark(port: number, used: boolean): void {
    const word = port >>> 5;
    const bit = 1 << (port & (WORD_BITS - 1));
    const old = this.#used[word] ?? 0;
    this.#used[word] = used ? old | bit : old & ~bit;
  }

  /** The first unused port from `from` to `last`, word by word. */
  #firstFree(from: number, last: number): number | undefined {
    for (let port = from; port <= last; ) {
      const word = this.#used[port >>> 5] ?? 0;
      if (word === FULL) {
        port = ((port >>> 5) + 1) * WORD_BITS;
        continue;
      }
      if ((word & (1 << (port & (WORD_BITS - 1)))) === 0) return port;
      port += 1;
    }
    return undefined;
  }

  free({ first, last }: PortRange): number | undefined {
    const key = `${first}-${last}`;
    const from = this.#next.get(key) ?? first;
    const found = this.#firstFree(from, last) ?? this.#firstFree(first, from - 1);
    if (found !== undefined) this.#next.set(key, found === last ? first : found + 1);
    return found;
  }
}

export class PortLedger {
  readonly #of: Readonly<Record<PortProtocol, ProtocolPorts>> = {
    tcp: new ProtocolPorts(),
    udp: new ProtocolPorts(),
    sctp: new ProtocolPorts(),
  };

  /** Who is in the way, but for `except`: what is given back in the same step. */
  conflict(
    wanted: Pick<Claim, 'protocol' | 'hostIp' | 'hostPort'>,
    except: ReadonlySet<Claim>,
  ): Claim | undefined {
    return this.#of[wanted.protocol].claims
      .get(wanted.hostPort)
      ?.find((claim) => !except.has(claim) && collide(claim.hostIp, wanted.hostIp));
  }

  take(claim: Claim): void {
    const ports = this.#of[claim.protocol];
    ports.claims.set(claim.hostPort, [...(ports.claims.get(claim.hostPort) ?? []), claim]);
    ports.mark(claim.hostPort, true);
  }

  give(claim: Claim): void {
    const ports = this.#of[claim.protocol];
    const left = ports.claims.get(claim.hostPort)?.filter((one) => one !== claim) ?? [];
    if (left.length > 0) {
      ports.claims.set(claim.hostPort, left);
      return;
    }
    ports.claims.delete(claim.hostPort);
    ports.mark(claim.hostPort, false);
  }

  /** A port that nobody has at any address; the next call looks behind it. */
  free(protocol: PortProtocol, range: PortRange): number | undefined {
    return this.#of[protocol].free(range);
  }
}
