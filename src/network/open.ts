// The sandbox of a container that starts: addresses and names are decided in one turn, then the
// kernel, the ports and the names are brought to it. All or nothing.
import { EngineError } from '#base/error.ts';
import { newId } from '#base/id.ts';
import { Undo } from '#base/undo.ts';
import { timed } from './account.ts';
import { raise, takeDown } from './attach.ts';
import { shut } from './close.ts';
import { announce, type Core, type Socketed, socketsOf, sortEndpoints } from './core.ts';
import { checkTakesEndpoints } from './config-only.ts';
import { makeEndpoint } from './endpoint.ts';
import type {
  Endpoint,
  EndpointWish,
  NetworkRecord,
  PortWish,
  Sandbox,
  SandboxRequest,
} from './engine.ts';
import { linksOf } from './link.ts';
import { mayRechoose, rechoose } from './rechoose.ts';
import { checkWish } from './wish.ts';

export const ENDPOINTS_PER_CONTAINER_MAX = 64;

type Container = Pick<Sandbox, 'containerId' | 'containerName' | 'hostname'>;

/** "default" is the default bridge's other name. */
export function findNetwork(core: Core, ref: string): NetworkRecord {
  return core.networks.get(ref === 'default' ? 'bridge' : ref);
}

export function alreadyThere(container: Container, network: NetworkRecord): EngineError {
  return new EngineError(
    'forbidden',
    `endpoint with name ${container.containerName} already exists in network ${network.name}`,
    { facts: { container: container.containerId } },
  );
}

/** Holds the network and takes its addresses, until undone. No await: nothing comes in between. */
export function reserveEndpoint(
  core: Core,
  container: Container,
  wished: { readonly network: NetworkRecord; readonly wish: EndpointWish },
  others: readonly Endpoint[],
  undo: Undo,
): Endpoint {
  const { network: record, wish } = wished;
  if (others.some(({ networkId }) => networkId === record.id))
    throw alreadyThere(container, record);
  if (others.length >= ENDPOINTS_PER_CONTAINER_MAX) {
    throw new EngineError(
      'limit_exceeded',
      `a container can be on ${ENDPOINTS_PER_CONTAINER_MAX} networks at most`,
    );
  }
  checkTakesEndpoints(record);
  const driver = core.drivers[record.driver];
  driver.validateWish(record, wish);
  checkWish(record, wish);
  core.activity.hold(record);
  undo.add(`release network ${record.name}`, () => core.activity.release(record));
  const id = newId();
  const lease = core.leases.take(record, wish, id);
  undo.add('release the addresses', () => core.leases.release(record, { id, ...lease }));
  return makeEndpoint({ id, record, driver, wish, container, lease }, others);
}

/** All endpoints of a request; interfaces are numbered in their final order. */
function reserve(core: Core, request: SandboxRequest, undo: Undo): Sandbox {
  const { containerId, containerName, hostname, dns, rate, links } = request;
  const wished = request.endpoints
    .map((wish) => ({ network: findNetwork(core, wish.network), wish }))
    .toSorted((one, other) => rankWish(core, one, other));
  const endpoints: Endpoint[] = [];
  for (const one of wished) {
    endpoints.push(reserveEndpoint(core, request, one, endpoints, undo));
  }
  const sandbox: Sandbox = {
    version: 1,
    containerId,
    containerName,
    hostname,
    path: core.sandboxes.pathOf(containerId),
    endpoints,
    ports: [],
    waiting: [],
    links,
    rate,
    dns,
    resolvConf: '',
  };
  return withResolvConf(core, sandbox);
}

type Wished = { readonly network: NetworkRecord; readonly wish: EndpointWish };

function rankWish(core: Core, one: Wished, other: Wished): number {
  const asEndpoint = ({ network, wish }: Wished) =>
    ({ networkId: network.id, networkName: network.name, wish }) as Endpoint;
  const [first] = sortEndpoints(core, [asEndpoint(one), asEndpoint(other)]);
  return first?.networkId === one.network.id ? -1 : 1;
}

export function withResolvConf(core: Core, sandbox: Sandbox): Sandbox {
  const plugs = socketsOf(core, sandbox);
  return { ...sandbox, resolvConf: core.names.resolvConf({ sandbox, plugs }) };
}

/** Waits only for what is not there yet. */
export async function raiseNetworks(core: Core, sockets: readonly Socketed[]): Promise<void> {
  const rising = sockets.flatMap(({ network }) => core.activity.up(network) ?? []);
  if (rising.length > 0) await Promise.all(rising);
}

/** Before its addresses are given out: that its subnet still is nobody else's. */
export async function settle(core: Core, ref: string): Promise<void> {
  const network = findNetwork(core, ref);
  if (mayRechoose(core, network)) await rechoose(core, network.id);
}

export async function open(core: Core, request: SandboxRequest): Promise<Sandbox> {
  using _lock = await core.locks.acquire(request.containerId);
  const left = core.sandboxes.get(request.containerId);
  if (left !== undefined) await shut(core, left);
  for (const { network } of request.endpoints) await settle(core, network);
  await using undo = new Undo(core.report);
  const reserved = reserve(core, request, undo);
  // Behind the record, where others who start find who they are linked to.
  undo.add('close the links', () => core.ports.link(reserved.containerId, []));
  // Before anything that it names exists: whoever finds the record can take all of it away.
  if (request.hidden === true) core.hidden.add(request.containerId);
  undo.add('forget the sandbox', () => {
    core.hidden.delete(reserved.containerId);
    core.sandboxes.delete(reserved.containerId);
  });
  core.sandboxes.put(reserved);
  const sandbox = await bringUp(core, reserved, request, undo);
  undo.commit();
  if (request.hidden !== true) tellConnected(core, sandbox);
  return sandbox;
}

function tellConnected(core: Core, sandbox: Sandbox): void {
  for (const { network } of socketsOf(core, sandbox)) {
    announce(core, 'connect', network, sandbox.containerId);
  }
}

/** What was opened hidden is seen from now on, as if it were opened now. */
export function show(core: Core, containerId: string): void {
  const sandbox = core.sandboxes.get(containerId);
  if (core.hidden.delete(containerId) && sandbox !== undefined) tellConnected(core, sandbox);
}

async function bringUp(
  core: Core,
  reserved: Sandbox,
  request: SandboxRequest,
  undo: Undo,
): Promise<Sandbox> {
  const sockets = socketsOf(core, reserved);
  await raiseNetworks(core, sockets);
  const { containerId } = reserved;
  // The namespace and the ports do not wait for each other; both have ended before either is
  // undone.
  const [raised, published] = await Promise.allSettled([
    raise(core, reserved, sockets, request.adopt),
    timed(publish(core, reserved, sockets, request.ports)),
  ]);
  if (raised.status === 'fulfilled') {
    undo.add('take the namespace down', () => takeDown(core, reserved, sockets));
  }
  if (published.status === 'fulfilled' && request.ports.length > 0) {
    undo.add('withdraw the ports', () => core.ports.close(containerId));
  }
  if (raised.status === 'rejected') throw raised.reason;
  if (published.status === 'rejected') throw published.reason;
  const [ports, portsTime] = published.value;
  const sandbox = { ...reserved, ports, waiting: core.ports.waiting(containerId) };
  if (request.ports.length > 0) core.sandboxes.put(sandbox);
  undo.add('forget the names', () => core.names.remove(containerId));
  const [, names] = await timed(core.names.set({ sandbox, plugs: sockets }));
  await core.ports.link(containerId, linksOf(core, sandbox));
  const [, rate] = await timed(limit(core, sandbox, sockets, undo));
  core.times.set(containerId, { steps: raised.value, ports: portsTime, names, rate });
  return sandbox;
}

async function limit(
  core: Core,
  { path, rate }: Sandbox,
  sockets: readonly Socketed[],
  undo: Undo,
): Promise<void> {
  if (rate === undefined) return;
  for (const socket of sockets) {
    undo.add('lift the limit', () => core.rates.remove(path, socket));
    await core.rates.apply(path, socket, rate);
  }
}

async function publish(
  core: Core,
  sandbox: Sandbox,
  plugs: readonly Socketed[],
  wishes: readonly PortWish[],
) {
  return wishes.length === 0 ? [] : core.ports.open({ sandbox, plugs }, wishes);
}
