// From a wish to ports of the host: which addresses it means, which port is free, and the sockets
// that keep it. All wishes of one step are placed, or none.
import { EngineError } from '#base/error.ts';
import { formatIp, isLoopback, parseIp } from '#base/ip-address.ts';
import type { PublishedPort } from '#kernel/netfilter/state.ts';
import type { PortBinding, PortWish } from '../engine.ts';
import { isDirect, type PortTarget, type PortTargets, publishedPort } from '../firewall.ts';
import type { HostSockets } from './hold.ts';
import { type Claim, collide, type PortLedger, type PortRange } from './ledger.ts';
import { LOOPBACK6 } from './loopback.ts';
import type { PortOwner } from './owner.ts';

/** How often another port is tried when a program of the host has the one that was chosen. */
const ATTEMPTS_MAX = 1024;

export type Container = { readonly id: string; readonly name: string };
export type Listener = { readonly hostIp: string; readonly target: PortTarget };

/** One binding that is in force. */
export type Placed = {
  readonly binding: PortBinding;
  /** Undefined for ::1, which no rule can lead. */
  readonly published: PublishedPort | undefined;
  /** Undefined for routed networks, which use no port of the host. */
  readonly claim: Claim | undefined;
};
export type Wished = { readonly wish: PortWish; readonly placed: readonly Placed[] };

/** Where a wish listens. None when the container is on no network that ports could lead to. */
export function listenersOf(wish: PortWish, targets: PortTargets): readonly Listener[] {
  const four = targets[4];
  const six = targets[6];
  if (four === undefined && six === undefined) return [];
  const hostIp = wish.hostIp === '' ? (four ?? six)?.hostBinding : wish.hostIp;
  if (hostIp === undefined || hostIp === '' || (wish.hostIp === '' && hostIp === '0.0.0.0')) {
    return [
      ...(four === undefined ? [] : [{ hostIp: '0.0.0.0', target: four }]),
      ...(six === undefined ? [] : [{ hostIp: '::', target: six }]),
    ];
  }
  const address = parseIp(hostIp);
  if (address.family === 6 && isLoopback(address)) return onLoopback6(wish, four ?? six);
  const target = targets[address.family];
  if (target !== undefined) return [{ hostIp: formatIp(address), target }];
  // The default address of a network is a wish of nobody in particular.
  if (wish.hostIp === '') return [];
  throw new EngineError(
    'invalid_argument',
    `cannot publish ${withPort(hostIp, wish.hostPort?.first)}: the container has no ` +
      `IPv${address.family} address that leads out, and there is no userland proxy; ` +
      `publish on an IPv${address.family === 4 ? 6 : 4} address`,
  );
}

function onLoopback6(wish: PortWish, target: PortTarget | undefined): readonly Listener[] {
  if (wish.protocol !== 'tcp') {
    throw new EngineError(
      'invalid_argument',
      `cannot publish ${wish.protocol} on ::1: the kernel never lets a packet to it leave lo; ` +
        'publish on 127.0.0.1',
    );
  }
  return target === undefined ? [] : [{ hostIp: LOOPBACK6, target }];
}

const withHost = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip);

function withPort(ip: string, port: number | undefined): string {
  return port === undefined ? withHost(ip) : `${withHost(ip)}:${port}`;
}

/** The text is Docker's up to the bracket: clients look for it. */
function allocated(
  wanted: { readonly hostIp: string; readonly hostPort: number },
  owner: Claim,
  name: string,
): EngineError {
  return new EngineError(
    'conflict',
    `Bind for ${withPort(wanted.hostIp, wanted.hostPort)} failed: ` +
      `port is already allocated (by container ${name})`,
    { facts: { owner: owner.containerId, protocol: owner.protocol } },
  );
}

function refusal(
  { binding, published }: Placed,
  claim: Claim,
  errno: string,
  owner: PortOwner | undefined,
): EngineError {
  const { port, protocol } = binding;
  const ip = withHost(published?.ip ?? claim.forward?.ip ?? '');
  const at = `${withPort(claim.hostIp, claim.hostPort)}:${ip}:${port}/${protocol}`;
  const texts: Readonly<Record<string, string>> = {
    EADDRINUSE: 'address already in use',
    EADDRNOTAVAIL: 'cannot assign requested address (no interface of the host has it)',
    EACCES: 'permission denied',
  };
  const by = owner === undefined ? '' : ` (by ${owner.program}, pid ${owner.pid})`;
  return new EngineError(
    'kernel_refused',
    `failed to bind host port for ${at}: ${texts[errno] ?? errno}${by}`,
    { facts: { errno, pid: owner?.pid, program: owner?.program } },
  );
}

type Draft = {
  readonly wish: PortWish;
  readonly listeners: readonly Listener[];
  readonly tried: Set<number>;
  placed: readonly Placed[];
};

const isFixed = ({ hostPort }: PortWish): boolean =>
  hostPort !== undefined && hostPort.first === hostPort.last;

const claimsOf = (placed: readonly Placed[]): readonly Claim[] =>
  placed.flatMap(({ claim }) => claim ?? []);

const socketOf = ({ protocol, hostIp, hostPort, forward }: Claim): string =>
  `${protocol} ${hostIp} ${hostPort} ${forward?.ip} ${forward?.port}`;

const usesHost = ({ hostIp, target }: Listener): boolean =>
  hostIp === LOOPBACK6 || !isDirect(target);

export function placedOf(
  binding: PortBinding,
  target: PortTarget,
  owner: Pick<Claim, 'containerId' | 'containerName'>,
): Placed {
  const { port, hostIp } = binding;
  const claim = { ...binding, ...owner };
  if (hostIp === LOOPBACK6) {
    return { binding, published: undefined, claim: { ...claim, forward: { ip: target.ip, port } } };
  }
  const published = publishedPort({ ...binding, container: owner.containerId }, target);
  return { binding, published, claim: isDirect(target) ? undefined : claim };
}

export type PlaceRequest = {
  readonly container: Container;
  readonly wishes: readonly {
    readonly wish: PortWish;
    readonly listeners: readonly Listener[];
  }[];
  /** Goes in the same step: not in the way, and its sockets are taken over. */
  readonly leaving: readonly Claim[];
  readonly ephemeral: PortRange;
  readonly nameOf: (containerId: string) => string | undefined;
};

/** Takes ports of the host for one step; either done() or undo() ends it. */
export class Placement {
  readonly #ledger: PortLedger;
  readonly #sockets: HostSockets;
  readonly #request: PlaceRequest;
  readonly #leaving: ReadonlySet<Claim>;
  readonly #drafts: Draft[] = [];
  #held: readonly Claim[] = [];
  #released: readonly Claim[] = [];

  constructor(ledger: PortLedger, sockets: HostSockets, request: PlaceRequest) {
    this.#ledger = ledger;
    this.#sockets = sockets;
    this.#request = request;
    this.#leaving = new Set(request.leaving);
  }

  get wished(): readonly Wished[] {
    return this.#drafts.map(({ wish, placed }) => ({ wish, placed }));
  }

  async take(): Promise<void> {
    try {
      for (const { wish, listeners } of this.#request.wishes) {
        const draft: Draft = { wish, listeners, tried: new Set(), placed: [] };
        draft.placed = this.#choose(draft);
        this.#drafts.push(draft);
      }
      await this.#yieldOwn();
      await this.#hold();
    } catch (error) {
      await this.undo();
      throw error;
    }
  }

  /** The step is made: what left is given back. */
  async done(): Promise<void> {
    for (const claim of this.#leaving) this.#ledger.give(claim);
    const kept = new Set(this.#coming().map(socketOf));
    await this.#sockets.release(
      this.#request.leaving.filter((claim) => !kept.has(socketOf(claim))),
    );
  }

  async undo(): Promise<void> {
    for (const { placed } of this.#drafts) this.#giveAll(placed);
    await this.#sockets.release(this.#held);
    await this.#sockets.hold(this.#released);
  }

  #coming(): readonly Claim[] {
    return this.#drafts.flatMap(({ placed }) => claimsOf(placed));
  }

  #giveAll(placed: readonly Placed[]): void {
    for (const claim of claimsOf(placed)) this.#ledger.give(claim);
  }

  #choose(draft: Draft): readonly Placed[] {
    const { wish, listeners } = draft;
    const onHost = listeners.filter(usesHost);
    const hostPort = onHost.length === 0 ? wish.port : this.#choosePort(draft, onHost);
    const placed = listeners.map((listener) => this.#placed(wish, listener, hostPort));
    for (const claim of claimsOf(placed)) this.#ledger.take(claim);
    return placed;
  }

  #placed(wish: PortWish, listener: Listener, chosen: number): Placed {
    const { port, protocol } = wish;
    const { hostIp } = listener;
    const { id: containerId, name: containerName } = this.#request.container;
    // A routed network is reached at the container's own port.
    const hostPort = usesHost(listener) ? chosen : port;
    const binding = { port, protocol, hostIp, hostPort };
    return placedOf(binding, listener.target, { containerId, containerName });
  }

  #choosePort({ wish, tried }: Draft, listeners: readonly Listener[]): number {
    const { protocol, hostPort } = wish;
    const inTheWay = (port: number): Claim | undefined => {
      for (const { hostIp } of listeners) {
        const claim = this.#ledger.conflict({ protocol, hostIp, hostPort: port }, this.#leaving);
        if (claim !== undefined) return claim;
      }
      return undefined;
    };
    if (hostPort !== undefined && isFixed(wish)) {
      const { first } = hostPort;
      const owner = inTheWay(first);
      if (owner === undefined) return first;
      const name = this.#request.nameOf(owner.containerId) ?? owner.containerName;
      throw allocated({ hostIp: listeners[0]?.hostIp ?? '', hostPort: first }, owner, name);
    }
    const range = hostPort ?? this.#request.ephemeral;
    const free = tried.size < ATTEMPTS_MAX ? this.#ledger.free(protocol, range) : undefined;
    if (free !== undefined && !tried.has(free)) return free;
    // Ports that others have at other addresses, and what leaves in this step.
    for (let port = range.first; hostPort !== undefined && port <= range.last; port += 1) {
      if (!tried.has(port) && inTheWay(port) === undefined) return port;
    }
    throw new EngineError(
      'conflict',
      `all ports are allocated: none of ${range.first}-${range.last}/${protocol} is free`,
    );
  }

  /** Our own sockets of what leaves, where they are in the way of what comes. */
  async #yieldOwn(): Promise<void> {
    const coming = Map.groupBy(
      this.#coming(),
      ({ protocol, hostPort }) => `${protocol} ${hostPort}`,
    );
    const clashing = this.#request.leaving.filter((own) =>
      coming
        .get(`${own.protocol} ${own.hostPort}`)
        ?.some((one) => socketOf(one) !== socketOf(own) && collide(one.hostIp, own.hostIp)),
    );
    await this.#sockets.release(clashing);
    this.#released = clashing;
  }

  async #hold(): Promise<void> {
    const released = new Set(this.#released);
    const kept = new Set(
      this.#request.leaving.filter((claim) => !released.has(claim)).map(socketOf),
    );
    const pendingOf = (draft: Draft) =>
      draft.placed.flatMap((placed) => {
        const { claim } = placed;
        if (claim === undefined || kept.has(socketOf(claim))) return [];
        return [{ draft, placed, claim }];
      });
    let pending = this.#drafts.flatMap(pendingOf);
    for (let at = 0; at < pending.length; ) {
      const { held, errno } = await this.#sockets.hold(pending.slice(at).map(({ claim }) => claim));
      at += held;
      this.#held = pending.slice(0, at).map(({ claim }) => claim);
      const refused = pending[at];
      if (errno === undefined || refused === undefined) return;
      const { draft, placed, claim } = refused;
      if (errno !== 'EADDRINUSE' || isFixed(draft.wish)) {
        const owner = errno === 'EADDRINUSE' ? await this.#sockets.owner(claim) : undefined;
        throw refusal(placed, claim, errno, owner);
      }
      // A program of the host has it: another port for all addresses of this wish.
      at = pending.findIndex((one) => one.draft === draft);
      await this.#sockets.release(this.#held.slice(at));
      this.#held = this.#held.slice(0, at);
      const old = pending.filter((one) => one.draft === draft).length;
      this.#giveAll(draft.placed);
      draft.placed = [];
      draft.tried.add(claim.hostPort);
      draft.placed = this.#choose(draft);
      pending = pending.toSpliced(at, old, ...pendingOf(draft));
    }
  }
}
