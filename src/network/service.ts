// Networks and the sandboxes that containers have on them: the one object that container/ and api/
// hold. Each verb is a function in its own file (create, open, close, live, recover) over the core;
// rules, names and limits are other parts' (parts.ts), and what a network is in the kernel is its
// driver's.
import { join } from 'node:path';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { UndoReport } from '#base/undo.ts';
import type { Publisher } from '#event/event.ts';
import type { Netlink } from '#kernel/netlink/netlink.ts';
import { accountOf } from './account.ts';
import { Activity } from './activity.ts';
import { planSandbox } from './attach.ts';
import { close } from './close.ts';
import { type Core, type DefaultOptions, pluggedOf, socketsOf } from './core.ts';
import { create, isPredefined, prune, remove } from './create.ts';
import type { NetworkDrivers } from './driver/drivers.ts';
import type {
  AccountStep,
  EndpointWish,
  NetworkEngine,
  NetworkExplanation,
  NetworkRate,
  NetworkRecord,
  NetworkRequest,
  NetworkView,
  PortBinding,
  PortTraffic,
  PortWish,
  Sandbox,
  SandboxRequest,
} from './engine.ts';
import type { AddressPool } from './ipam/pool.ts';
import { Leases } from './lease.ts';
import { changePorts, connect, disconnect, relink, rename, setRate } from './live.ts';
import { hasNames } from './names/describe.ts';
import { NetworkStore } from './network-store.ts';
import { open, show } from './open.ts';
import type { ExplainPart, NamePart, PortPart, RatePart } from './parts.ts';
import { type DefaultBridge, ensurePredefined } from './predefined.ts';
import { adopt, recover } from './recover.ts';
import { SandboxStore } from './sandbox-store.ts';

export type NetworkOptions = {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly drivers: NetworkDrivers;
  readonly netlink: Netlink;
  readonly ports: PortPart;
  readonly names: NamePart;
  readonly rates: RatePart;
  readonly explainer: ExplainPart;
  readonly events: Publisher;
  readonly report: UndoReport;
  readonly pools: readonly AddressPool[];
  readonly defaultBridge: DefaultBridge;
  readonly defaultOptions: DefaultOptions;
  /** --host-gateway-ip; none = the default bridge's own address. */
  readonly hostGateways: readonly string[];
  readonly hostHasIpv6: boolean;
};

export class NetworkService implements NetworkEngine {
  /** Records that could not be read, and flags that could not be followed. */
  readonly problems: readonly string[];
  readonly #core: Core;
  readonly #hostGateways: readonly string[];

  private constructor(
    core: Core,
    found: { readonly problems: readonly string[]; readonly hostGateways: readonly string[] },
  ) {
    this.#core = core;
    this.problems = found.problems;
    this.#hostGateways = found.hostGateways;
  }

  /** Reads the records and makes the predefined networks; the kernel is only looked at. */
  static async open(options: NetworkOptions): Promise<NetworkService> {
    const { drivers, ports, dataRoot, execRoot, defaultBridge, hostGateways } = options;
    const networks = new NetworkStore(join(dataRoot, 'networks'));
    const sandboxes = new SandboxStore(join(execRoot, 'net'));
    const core: Core = {
      ...options,
      networks,
      sandboxes,
      hidden: new Set(),
      leases: new Leases(),
      times: new Map(),
      activity: new Activity(drivers, ports),
      locks: new KeyedLock(),
    };
    const unread = await networks.load();
    const problems = sandboxes.load();
    const unwanted = await ensurePredefined(core, defaultBridge);
    adopt(core);
    return new NetworkService(core, {
      problems: [...unread, ...problems, ...unwanted],
      hostGateways,
    });
  }

  create(request: NetworkRequest) {
    return create(this.#core, request);
  }

  remove(ref: string): Promise<void> {
    return remove(this.#core, ref);
  }

  prune(wanted: (view: NetworkView) => boolean): Promise<readonly string[]> {
    return prune(this.#core, wanted);
  }

  list(): readonly NetworkView[] {
    const { networks } = this.#core;
    const byNetwork = new Map<string, NetworkView['endpoints'][number][]>();
    for (const { containerId, containerName, endpoints } of this.#shown()) {
      for (const endpoint of endpoints) {
        const list = byNetwork.get(endpoint.networkId) ?? [];
        list.push({ ...endpoint, containerId, containerName });
        byNetwork.set(endpoint.networkId, list);
      }
    }
    return networks.list().map((record) => ({
      record,
      predefined: isPredefined(record),
      endpoints: byNetwork.get(record.id) ?? [],
    }));
  }

  records(): readonly NetworkRecord[] {
    return this.#core.networks.list();
  }

  record(ref: string): NetworkRecord {
    return this.#core.networks.get(ref);
  }

  inspect(ref: string): NetworkView {
    const record = this.#core.networks.get(ref);
    const endpoints = this.#on(record).flatMap(({ containerId, containerName, endpoints: all }) =>
      all
        .filter(({ networkId }) => networkId === record.id)
        .map((endpoint) => ({ ...endpoint, containerId, containerName })),
    );
    return { record, predefined: isPredefined(record), endpoints };
  }

  #shown(): readonly Sandbox[] {
    const { hidden, sandboxes } = this.#core;
    return sandboxes.list().filter(({ containerId }) => !hidden.has(containerId));
  }

  #on({ id }: NetworkRecord): readonly Sandbox[] {
    return this.#shown().filter(({ endpoints }) =>
      endpoints.some(({ networkId }) => networkId === id),
    );
  }

  explain(ref: string): Promise<NetworkExplanation> {
    const core = this.#core;
    const record = core.networks.get(ref);
    const targets = this.#on(record).map((sandbox) => pluggedOf(core, sandbox));
    return core.explainer.explain(core.activity.active(record), targets);
  }

  open(request: SandboxRequest): Promise<Sandbox> {
    return open(this.#core, request);
  }

  show(containerId: string): void {
    show(this.#core, containerId);
  }

  close(containerId: string): Promise<void> {
    return close(this.#core, containerId);
  }

  sandbox(containerId: string): Sandbox | undefined {
    const { hidden, sandboxes } = this.#core;
    return hidden.has(containerId) ? undefined : sandboxes.get(containerId);
  }

  account(containerId: string, adopt: string | undefined): readonly AccountStep[] | undefined {
    const core = this.#core;
    const sandbox = this.sandbox(containerId);
    if (sandbox === undefined) return undefined;
    const plugs = socketsOf(core, sandbox);
    const steps = planSandbox(core, sandbox, plugs, adopt);
    const named = plugs.some(({ network }) => hasNames(network));
    return accountOf(sandbox, steps, named, core.times.get(containerId));
  }

  path(containerId: string): string {
    return this.#core.sandboxes.pathOf(containerId);
  }

  connect(containerId: string, wish: EndpointWish): Promise<Sandbox> {
    return connect(this.#core, containerId, wish);
  }

  disconnect(containerId: string, networkRef: string): Promise<Sandbox> {
    return disconnect(this.#core, containerId, networkRef);
  }

  changePorts(
    containerId: string,
    change: { readonly add: readonly PortWish[]; readonly remove: readonly PortBinding[] },
  ): Promise<Sandbox> {
    return changePorts(this.#core, containerId, change);
  }

  setRate(containerId: string, rate: NetworkRate | undefined): Promise<Sandbox> {
    return setRate(this.#core, containerId, rate);
  }

  relink(containerId: string, to: readonly string[]): Promise<void> {
    return relink(this.#core, containerId, to);
  }

  rename(containerId: string, name: string): Promise<void> {
    return rename(this.#core, containerId, name);
  }

  traffic(containerId: string): Promise<readonly PortTraffic[]> {
    return this.#core.ports.traffic(containerId);
  }

  recover(running: ReadonlySet<string>): Promise<void> {
    return recover(this.#core, running);
  }

  plainResolvConf(dns: Sandbox['dns'], sharesHost: boolean): string {
    return this.#core.names.plainResolvConf(dns, sharesHost);
  }

  hostGateways(): readonly string[] {
    if (this.#hostGateways.length > 0) return this.#hostGateways;
    const bridge = this.#core.networks.named('bridge');
    const own = bridge?.ipam.subnets.find(({ gateway }) => gateway !== undefined)?.gateway;
    return own === undefined ? [] : [own];
  }
}
