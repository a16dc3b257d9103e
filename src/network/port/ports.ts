// Published ports and the rules of networks: what the service of networks asks of the firewall.
// This owns which port of the host is whose; packets are the firewall's, and names of networks,
// bridges and links are not here.
import { EngineError } from '#base/error.ts';
import type { Log } from '#base/log.ts';
import { forgetFlows } from '#kernel/netfilter/conntrack.ts';
import { type Firewall, openFirewall, removeLeftovers } from '#kernel/netfilter/firewall.ts';
import type { FirewallOptions } from '#kernel/netfilter/firewall.ts';
import type { LinkedPort, PublishedPort } from '#kernel/netfilter/state.ts';
import { portKey } from '#kernel/netfilter/state.ts';
import { NativeAgent } from '#kernel/native/agent.ts';
import type { Agent } from '#kernel/native/native.ts';
import type { PortBinding, PortTraffic, PortWish } from '../engine.ts';
import { firewallNetwork, isDirect, type PortTargets, targetsOf } from '../firewall.ts';
import type { ActiveNetwork, Plugged, PortPart } from '../parts.ts';
import { ephemeralRange } from './ephemeral.ts';
import { HostSockets } from './hold.ts';
import { type Claim, PortLedger, type PortRange } from './ledger.ts';
import { LoopbackForwards } from './loopback.ts';
import { listenersOf, type Placed, Placement, type PlaceRequest, type Wished } from './place.ts';
import { wishedOf } from './recovered.ts';
import { RuleWatch } from './watch.ts';

export type PortOptions = Pick<FirewallOptions, 'backend' | 'table' | 'prefix' | 'scratch'> & {
  /** The daemon's hands; the sockets of ports are in a process of their own. */
  readonly agent: Pick<Agent, 'perform'>;
  readonly nativePath: string;
  readonly log: Log;
  /** A container's name now, for errors that name the owner of a port. */
  readonly nameOf: (containerId: string) => string | undefined;
};

const bindingsOf = (wished: readonly Wished[]): readonly PortBinding[] =>
  wished.flatMap(({ placed }) => placed.map(({ binding }) => binding));

const publishedOf = (placed: readonly Placed[]): readonly PublishedPort[] =>
  placed.flatMap(({ published }) => published ?? []);

const claimsOf = (placed: readonly Placed[]): readonly Claim[] =>
  placed.flatMap(({ claim }) => claim ?? []);

const sameBinding = (one: PortBinding, other: PortBinding): boolean =>
  one.port === other.port &&
  one.protocol === other.protocol &&
  one.hostIp === other.hostIp &&
  one.hostPort === other.hostPort;

const containerOf = ({ sandbox }: Plugged): PlaceRequest['container'] => ({
  id: sandbox.containerId,
  name: sandbox.containerName,
});

/** What one step changes of a container's bindings. */
type Step = {
  readonly container: PlaceRequest['container'];
  /** These stay as they are. */
  readonly staying: readonly Wished[];
  readonly leaving: readonly Placed[];
  readonly coming: PlaceRequest['wishes'];
};

export class Ports implements PortPart, AsyncDisposable {
  readonly #firewall: Firewall;
  readonly #options: PortOptions;
  readonly #holder: NativeAgent;
  readonly #sockets: HostSockets;
  readonly #watch: RuleWatch;
  readonly #loopback = new LoopbackForwards();
  readonly #ledger = new PortLedger();
  /** The rules of each network, by its id. */
  readonly #networks = new Map<string, string>();
  /** By container id. */
  readonly #wished = new Map<string, readonly Wished[]>();
  #links: readonly LinkedPort[] = [];
  #range: Promise<PortRange> | undefined;

  constructor(options: PortOptions) {
    this.#options = options;
    this.#firewall = openFirewall(this.#firewallOptions());
    this.#holder = new NativeAgent(options.nativePath);
    this.#sockets = new HostSockets(this.#holder, this.#loopback);
    this.#watch = new RuleWatch(this.#firewall, options.log);
  }

  /** For `network explain`. */
  get firewall(): Pick<Firewall, 'backend' | 'list' | 'verify'> {
    return this.#firewall;
  }

  #firewallOptions() {
    const { backend, table, prefix, scratch, agent } = this.#options;
    return {
      backend,
      ...(table === undefined ? {} : { table }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(scratch === undefined ? {} : { scratch }),
      netlink: { agent, namespace: '' },
    };
  }

  async networkUp(network: ActiveNetwork): Promise<void> {
    const rules = firewallNetwork(network);
    if (rules === undefined) return;
    const text = JSON.stringify(rules);
    const before = this.#networks.get(rules.id);
    if (before === text) return;
    // It has other subnets than when it last was up: nobody is on it, and no port leads there.
    const removeNetworks = before === undefined ? [] : [rules.id];
    await this.#firewall.change({ removeNetworks, addNetworks: [rules] });
    this.#networks.set(rules.id, text);
    this.#watch.start();
  }

  async networkDown({ record }: ActiveNetwork): Promise<void> {
    if (!this.#networks.has(record.id)) return;
    await this.#firewall.change({ removeNetworks: [record.id] });
    this.#networks.delete(record.id);
    if (this.#networks.size > 0) return;
    this.#watch.stop();
    await this.#firewall.removeIfUnused();
  }

  async open(target: Plugged, wishes: readonly PortWish[]): Promise<readonly PortBinding[]> {
    if (wishes.length === 0) return [];
    const targets = targetsOf(target);
    const coming = wishes.map((wish) => ({ wish, listeners: listenersOf(wish, targets) }));
    return this.#step({ container: containerOf(target), staying: [], leaving: [], coming });
  }

  async link(containerId: string, links: readonly LinkedPort[]): Promise<void> {
    const removeLinks = this.#links.filter((one) => isOf(one, containerId));
    if (removeLinks.length + links.length === 0) return;
    await this.#firewall.change({ removeLinks, addLinks: links });
    this.#links = [...this.#links.filter((one) => !isOf(one, containerId)), ...links];
  }

  async close(containerId: string): Promise<void> {
    const wished = this.#wished.get(containerId);
    if (wished === undefined) return;
    const leaving = wished.flatMap(({ placed }) => placed);
    await this.#step({
      container: { id: containerId, name: '' },
      staying: [],
      leaving,
      coming: [],
    });
    this.#wished.delete(containerId);
  }

  async change(
    target: Plugged,
    change: { readonly add: readonly PortWish[]; readonly remove: readonly PortBinding[] },
  ): Promise<readonly PortBinding[]> {
    const before = this.#wished.get(target.sandbox.containerId) ?? [];
    const leaving = change.remove.map((binding) => findPlaced(before, binding));
    const gone = new Set(leaving);
    const staying = gone.size === 0 ? before : withoutPlaced(before, gone);
    const targets = targetsOf(target);
    const coming = change.add.map((wish) => ({ wish, listeners: listenersOf(wish, targets) }));
    return this.#step({ container: containerOf(target), staying, leaving, coming });
  }

  async move(target: Plugged): Promise<readonly PortBinding[]> {
    const before = this.#wished.get(target.sandbox.containerId);
    if (before === undefined) return [];
    const targets = targetsOf(target);
    const moves = before.map((wished) => planMove(wished, targets));
    if (moves.every(({ isSame }) => isSame)) return bindingsOf(before);
    return this.#step({
      container: containerOf(target),
      staying: [],
      leaving: before.flatMap(({ placed }) => placed),
      coming: moves,
    });
  }

  waiting(containerId: string): readonly PortWish[] {
    const wished = this.#wished.get(containerId) ?? [];
    return wished.flatMap(({ wish, placed }) => (placed.length === 0 ? [wish] : []));
  }

  async traffic(containerId: string): Promise<readonly PortTraffic[]> {
    const placed = (this.#wished.get(containerId) ?? []).flatMap((one) => one.placed);
    if (placed.length === 0) return [];
    const counted = new Map(
      (await this.#firewall.counters()).map((one) => [portKey(one.port), one]),
    );
    return placed.map(({ binding, published }) => {
      const counters = published === undefined ? undefined : counted.get(portKey(published));
      const copied = published === undefined ? this.#loopback.connections(binding.hostPort) : 0n;
      return {
        ...binding,
        connections: counters?.connections ?? copied ?? 0n,
        packets: counters?.packets,
        bytes: counters?.bytes,
      };
    });
  }

  async recover(
    networks: readonly ActiveNetwork[],
    targets: readonly Plugged[],
    allLinks: readonly LinkedPort[],
  ): Promise<void> {
    for (const target of targets) {
      const wished = wishedOf(target);
      if (wished.length === 0) continue;
      this.#wished.set(target.sandbox.containerId, wished);
      for (const claim of claimsOf(wished.flatMap(({ placed }) => placed))) {
        this.#ledger.take(claim);
      }
    }
    const rules = networks.flatMap((network) => firewallNetwork(network) ?? []);
    // A network that could not be brought back still has containers that go by its rules.
    const isUsed = targets.some(({ plugs }) => plugs.some(({ bridge }) => bridge !== undefined));
    await removeLeftovers(this.#firewallOptions(), rules.length === 0 && !isUsed);
    if (rules.length === 0) return;
    const known = new Set(rules.map(({ id }) => id));
    const placed = [...this.#wished.values()].flat().flatMap((wished) => wished.placed);
    const ports = publishedOf(placed).filter(({ network }) => known.has(network));
    const links = allLinks.filter(({ network }) => known.has(network));
    this.#links = links;
    const found = await this.#firewall.adopt({ networks: rules, ports, links });
    if (!found.ok) {
      this.#options.log.info('brought the firewall rules in line', {
        missing: found.missing.length,
        unexpected: found.unexpected.length,
      });
    }
    for (const one of rules) this.#networks.set(one.id, JSON.stringify(one));
    this.#watch.start();
    await this.#holdAgain(claimsOf(placed));
  }

  /** Somebody may have taken a port while no daemon ran: the rules still lead it to us. */
  async #holdAgain(claims: readonly Claim[]): Promise<void> {
    for (let at = 0; at < claims.length; ) {
      const { held, errno } = await this.#sockets.hold(claims.slice(at));
      at += held;
      const refused = claims[at];
      if (errno === undefined || refused === undefined) return;
      const { containerName, hostIp, hostPort, protocol } = refused;
      const owner = await this.#sockets.owner(refused);
      this.#options.log.warn('a published port is also held by a program of the host', {
        container: containerName,
        port: `${hostIp}:${hostPort}/${protocol}`,
        errno,
        pid: owner?.pid,
        program: owner?.program,
      });
      at += 1;
    }
  }

  /** Sockets and rules go together: one step, all or nothing. */
  async #step({ container, staying, leaving, coming }: Step): Promise<readonly PortBinding[]> {
    const isFlexible = coming.some(({ wish }) => wish.hostPort === undefined);
    if (isFlexible) this.#range ??= ephemeralRange(this.#options.agent);
    const ephemeral = (await this.#range) ?? { first: 1, last: 0 };
    const { nameOf } = this.#options;
    const request = { container, wishes: coming, leaving: claimsOf(leaving), ephemeral, nameOf };
    const placement = new Placement(this.#ledger, this.#sockets, request);
    await placement.take();
    const placed = placement.wished.flatMap((wished) => wished.placed);
    try {
      if (placed.length + leaving.length > 0) {
        await this.#firewall.change({
          removePorts: publishedOf(leaving),
          addPorts: publishedOf(placed),
        });
      }
    } catch (error) {
      await placement.undo();
      throw error;
    }
    const wished = [...staying, ...placement.wished];
    this.#wished.set(container.id, wished);
    await placement.done();
    await forgetFlows(this.#firewallOptions().netlink, {
      gone: publishedOf(leaving),
      come: publishedOf(placed),
    });
    return bindingsOf(wished);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch.stop();
    this.#loopback.closeAll();
    await this.#holder[Symbol.asyncDispose]();
  }
}

const isOf = ({ asking, asked }: LinkedPort, containerId: string): boolean =>
  asking === containerId || asked === containerId;

/** A wish that is not fulfilled anywhere waits for a network where it can be. */
function withoutPlaced(wished: readonly Wished[], gone: ReadonlySet<Placed>): readonly Wished[] {
  return wished.flatMap((one) => {
    if (!one.placed.some((placed) => gone.has(placed))) return [one];
    const placed = one.placed.filter((each) => !gone.has(each));
    return placed.length === 0 ? [] : [{ wish: one.wish, placed }];
  });
}

function findPlaced(wished: readonly Wished[], binding: PortBinding): Placed {
  for (const { placed } of wished) {
    const found = placed.find((one) => sameBinding(one.binding, binding));
    if (found !== undefined) return found;
  }
  const { port, protocol, hostIp, hostPort } = binding;
  throw new EngineError(
    'not_found',
    `port ${port}/${protocol} is not published at ${hostIp}:${hostPort}`,
  );
}

/** The same wish where the container is now; it keeps the port of the host that it has. */
function planMove({ wish, placed }: Wished, targets: PortTargets) {
  const listeners = reachable(wish, targets);
  const port = claimsOf(placed)[0]?.hostPort;
  const isSame =
    listeners.length === placed.length &&
    listeners.every(({ hostIp, target }, index) => {
      const one = placed[index];
      if (one?.binding.hostIp !== hostIp) return false;
      const { claim, published } = one;
      if (published === undefined) return claim?.forward?.ip === target.ip;
      return (
        published.ip === target.ip &&
        published.network === target.network &&
        (claim === undefined) === isDirect(target)
      );
    });
  const fixed = port === undefined ? wish : { ...wish, hostPort: { first: port, last: port } };
  return { wish: fixed, listeners, isSame };
}

/** A family that the container lost is no reason to refuse what brought it there. */
function reachable(wish: PortWish, targets: PortTargets) {
  try {
    return listenersOf(wish, targets);
  } catch {
    return [];
  }
}
