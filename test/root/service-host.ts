// A host of its own for tests of networks: a network namespace with an agent in it, so that nothing
// of the real host is touched, and the service of networks over that agent. Its parts for ports,
// names and limits only record what they are asked; a test may give real ones.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Happening } from '#event/event.ts';
import { NativeAgent } from '#kernel/native/agent.ts';
import { setLink } from '#kernel/netlink/link.ts';
import { Netlink } from '#kernel/netlink/netlink.ts';
import { makeDrivers, type NetworkDrivers } from '#network/driver/drivers.ts';
import type {
  EndpointWish,
  NetworkRequest,
  PortBinding,
  PortWish,
  SandboxRequest,
} from '#network/engine.ts';
import { DEFAULT_POOLS, ulaPool } from '#network/ipam/pool.ts';
import type { NamePart, PortPart, RatePart } from '#network/parts.ts';
import type { DefaultBridge } from '#network/predefined.ts';
import { type NetworkOptions, NetworkService } from '#network/service.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NATIVE } from './native-path.ts';

const PINGS_MAX = 5;
const TIMEOUT_MS = 10_000;

export const DEFAULT_BRIDGE: DefaultBridge = {
  bridge: 'coracle0',
  bip: '',
  bip6: '',
  fixedCidr: '',
  fixedCidr6: '',
  gateway: '',
  gateway6: '',
  icc: true,
  masquerade: true,
  ipv6: false,
  hostBinding: '',
  mtu: undefined,
};

/** Ports that are only written down. `refuse` makes the next open() fail. */
export class RecordingPorts implements PortPart {
  readonly log: string[] = [];
  refuse: Error | undefined;
  readonly #open = new Map<string, readonly PortBinding[]>();
  readonly #bind = ({ port, protocol, hostIp, hostPort }: PortWish): PortBinding => ({
    port,
    protocol,
    hostIp: hostIp === '' ? '0.0.0.0' : hostIp,
    hostPort: hostPort?.first ?? 32_768,
  });

  networkUp: PortPart['networkUp'] = async ({ record }) => void this.log.push(`up ${record.name}`);
  networkDown: PortPart['networkDown'] = async ({ record }) =>
    void this.log.push(`down ${record.name}`);
  open: PortPart['open'] = async ({ sandbox }, wishes) => {
    const { refuse } = this;
    this.refuse = undefined;
    if (refuse !== undefined) throw refuse;
    const bindings = wishes.map(this.#bind);
    this.#open.set(sandbox.containerId, bindings);
    return bindings;
  };
  link: PortPart['link'] = async () => undefined;
  close: PortPart['close'] = async (id) => void this.#open.delete(id);
  change: PortPart['change'] = async ({ sandbox }, { add, remove }) => {
    const text = (one: PortBinding): string => `${one.hostIp} ${one.hostPort} ${one.port}`;
    const gone = remove.map(text);
    const kept = this.#open.get(sandbox.containerId) ?? [];
    const bindings = [...kept.filter((one) => !gone.includes(text(one))), ...add.map(this.#bind)];
    this.#open.set(sandbox.containerId, bindings);
    return bindings;
  };
  move: PortPart['move'] = async ({ sandbox }) => this.#open.get(sandbox.containerId) ?? [];
  waiting: PortPart['waiting'] = () => [];
  traffic: PortPart['traffic'] = async () => [];
  recover: PortPart['recover'] = async (networks, targets) => {
    this.log.push(`recover ${networks.map(({ record }) => record.name).join()}`);
    for (const { sandbox } of targets) this.#open.set(sandbox.containerId, sandbox.ports);
  };

  get holders(): readonly string[] {
    return [...this.#open.keys()];
  }
}

export const quietNames: NamePart = {
  plainResolvConf: () => '',
  resolvConf: ({ plugs }) => `# ${plugs.map(({ network }) => network.name).join()}\n`,
  set: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  recover: () => Promise.resolve(),
};

const quietRates: RatePart = { apply: () => Promise.resolve(), remove: () => Promise.resolve() };

export function networkRequest(
  name: string,
  change: Partial<Omit<NetworkRequest, 'ipam'>> & {
    readonly subnets?: NetworkRequest['ipam']['requests'];
  } = {},
): NetworkRequest {
  const { subnets = [], ...rest } = change;
  return {
    name,
    driver: '',
    ipv4: undefined,
    ipv6: undefined,
    internal: false,
    attachable: false,
    scope: '',
    configOnly: false,
    configFrom: '',
    options: {},
    labels: {},
    ipam: { driver: '', options: {}, requests: subnets },
    ...rest,
  };
}

export { plainWish as wish } from '#network/testing-network.ts';

/** The id of a test's container: its name, in hex digits, as long as an id. */
export const idOf = (name: string): string => Buffer.from(name).toString('hex').padEnd(64, '0');

export function sandboxRequest(
  name: string,
  endpoints: readonly EndpointWish[],
  change: Partial<SandboxRequest> = {},
): SandboxRequest {
  return {
    containerId: idOf(name),
    containerName: name,
    hostname: name,
    adopt: undefined,
    endpoints,
    ports: [],
    links: { to: [], exposed: [] },
    rate: undefined,
    dns: { servers: undefined, search: undefined, options: undefined },
    ...change,
  };
}

export class ServiceHost implements AsyncDisposable {
  readonly directory: string;
  readonly namespace: string;
  readonly agent: NativeAgent;
  readonly netlink: Netlink;
  readonly drivers: NetworkDrivers;
  readonly ports = new RecordingPorts();
  readonly events: string[] = [];
  readonly reports: string[] = [];
  readonly #outer: NativeAgent;
  readonly #isOwner: boolean;

  private constructor(directory: string, outer: NativeAgent, isOwner: boolean) {
    this.#isOwner = isOwner;
    this.directory = directory;
    this.namespace = join(directory, 'host');
    this.#outer = outer;
    const path = join(directory, 'agent');
    writeFileSync(path, `#!/bin/sh\nexec nsenter --net=${this.namespace} ${NATIVE} "$@"\n`);
    chmodSync(path, 0o755);
    this.agent = new NativeAgent(path);
    this.netlink = new Netlink(this.agent);
    this.drivers = this.makeDrivers();
  }

  static async open(): Promise<ServiceHost> {
    const directory = makeScratch('networks-');
    const outer = new NativeAgent(NATIVE);
    await outer.perform([{ op: 'netns_create', path: join(directory, 'host') }]);
    const host = new ServiceHost(directory, outer, true);
    await host.netlink.exchange('', [setLink('lo', { up: true })]);
    return host;
  }

  /** The host that another process opened, which stays with it. */
  static join(directory: string): ServiceHost {
    return new ServiceHost(directory, new NativeAgent(NATIVE), false);
  }

  /** As a daemon that has just started: it knows of no interface. */
  makeDrivers(): NetworkDrivers {
    const { agent, netlink } = this;
    return makeDrivers({
      agent,
      netlink,
      mayForward: true,
      hostHasIpv6: true,
      tell: () => undefined,
    });
  }

  /** One daemon's service; `name` tells several apart, and is the same after its restart. */
  service(name = 'one', change: Partial<NetworkOptions> = {}): Promise<NetworkService> {
    const root = join(this.directory, name);
    mkdirSync(root, { recursive: true });
    return NetworkService.open({
      dataRoot: join(root, 'data'),
      execRoot: join(root, 'exec'),
      drivers: this.makeDrivers(),
      netlink: this.netlink,
      ports: this.ports,
      names: quietNames,
      rates: quietRates,
      explainer: { explain: () => Promise.reject(new Error('not asked')) },
      events: { publish: (happening) => this.events.push(describe(happening)) },
      report: (what, error) => this.reports.push(`${what}: ${String(error)}`),
      pools: [...DEFAULT_POOLS, ulaPool(name)],
      defaultBridge: DEFAULT_BRIDGE,
      hostGateways: [],
      defaultOptions: {},
      hostHasIpv6: true,
      ...change,
    });
  }

  /** Runs a program in a namespace: that of this host, or the one at the path. */
  run(argv: readonly string[], namespace = this.namespace) {
    const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${namespace}`, ...argv], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    return { status, output: `${stdout}${stderr}` };
  }

  /** Whether one of some echo requests is answered: on a busy machine one alone may be late. */
  ping(namespace: string, address: string): boolean {
    return Array.from({ length: PINGS_MAX }).some(() => this.pingOnce(namespace, address));
  }

  pingOnce(namespace: string, address: string): boolean {
    const argv = ['busybox', 'ping', '-c', '1', '-W', '1', address];
    return this.run(argv, namespace).status === 0;
  }

  ip(words: string, namespace = this.namespace): string {
    return this.run(['ip', ...words.split(' ')], namespace).output;
  }

  async links(): Promise<readonly string[]> {
    return (await this.netlink.links('')).map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
    await this.#outer[Symbol.asyncDispose]();
    // With the namespaces of containers that a test did not close.
    if (this.#isOwner) removeScratch(this.directory);
  }
}

function describe({ action, actor }: Happening): string {
  const { name = '', container } = actor.attributes;
  const who =
    container === undefined ? '' : ` ${Buffer.from(container.replace(/(00)+$/, ''), 'hex')}`;
  return `${action} ${name}${who}`;
}
