// Changes of a running container's sandbox: connect, disconnect, ports, limits, its name. Each
// answers the sandbox as it then is, and leaves it as it was when it fails.
import { EngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import { ignoreGone, planRoutes, plugIn, pullOut } from './attach.ts';
import { announce, type Core, pluggedOf, type Socketed, socketsOf, sortEndpoints } from './core.ts';
import { dnsNamesOf } from './endpoint.ts';
import type { EndpointWish, NetworkRate, PortBinding, PortWish, Sandbox } from './engine.ts';
import { linksOf } from './link.ts';
import { findNetwork, raiseNetworks, reserveEndpoint, settle, withResolvConf } from './open.ts';
import { changeBack } from './port/change-back.ts';

function sandboxOf(core: Core, containerId: string): Sandbox {
  const sandbox = core.sandboxes.get(containerId);
  if (sandbox !== undefined) return sandbox;
  throw new EngineError('conflict', `container ${containerId} has no network of its own`);
}

/** The default routes now belong to others. */
async function reroute(core: Core, before: Sandbox, after: Sandbox): Promise<void> {
  const flags = (sandbox: Sandbox) =>
    JSON.stringify(
      socketsOf(core, sandbox).map(({ plan }) => [
        plan.endpoint.id,
        plan.isGateway4,
        plan.isGateway6,
      ]),
    );
  if (flags(before) === flags(after)) return;
  await core.netlink.perform(planRoutes(core, socketsOf(core, after)));
}

/** What follows the endpoints of a sandbox: ports and names. Answers the sandbox with its ports. */
async function follow(core: Core, sandbox: Sandbox): Promise<Sandbox> {
  const target = pluggedOf(core, sandbox);
  await core.names.set(target);
  const ports = await core.ports.move(target);
  return { ...sandbox, ports, waiting: core.ports.waiting(sandbox.containerId) };
}

export async function connect(
  core: Core,
  containerId: string,
  wish: EndpointWish,
): Promise<Sandbox> {
  using _lock = await core.locks.acquire(containerId);
  const before = sandboxOf(core, containerId);
  await settle(core, wish.network);
  const network = findNetwork(core, wish.network);
  await using undo = new Undo(core.report);
  const added = reserveEndpoint(core, before, { network, wish }, before.endpoints, undo);
  const endpoints = sortEndpoints(core, [...before.endpoints, added]);
  const reserved = withResolvConf(core, { ...before, endpoints });
  core.sandboxes.put(reserved);
  undo.add('forget the endpoint', () => core.sandboxes.restore(before));
  const socket = socketsOf(core, reserved).find(({ endpoint }) => endpoint.id === added.id);
  if (socket === undefined) throw new EngineError('internal', 'the new endpoint has no network');
  await raiseNetworks(core, [socket]);
  // Without default routes first: what has them now keeps them until the new link is whole.
  const plain = { ...socket.plan, isGateway4: false, isGateway6: false };
  await plugIn(core, { ...socket, plan: plain });
  undo.add('pull the endpoint out', async () => {
    await ignoreGone(pullOut(core, socket));
    await core.netlink.perform(planRoutes(core, socketsOf(core, before)));
  });
  await reroute(core, before, reserved);
  if (reserved.rate !== undefined) {
    undo.add('lift the limit', () => core.rates.remove(before.path, socket));
    await core.rates.apply(before.path, socket, reserved.rate);
  }
  undo.add('follow the endpoints back', () => follow(core, before));
  const sandbox = await follow(core, reserved);
  core.sandboxes.put(sandbox);
  undo.add('link as before', () => core.ports.link(containerId, linksOf(core, before)));
  await core.ports.link(containerId, linksOf(core, sandbox));
  undo.commit();
  announce(core, 'connect', network, containerId);
  return sandbox;
}

export async function disconnect(
  core: Core,
  containerId: string,
  networkRef: string,
): Promise<Sandbox> {
  using _lock = await core.locks.acquire(containerId);
  const before = sandboxOf(core, containerId);
  const network = findNetwork(core, networkRef);
  const socket = socketsOf(core, before).find((one) => one.network.id === network.id);
  if (socket === undefined) {
    throw new EngineError(
      'forbidden',
      `container ${containerId} is not connected to network ${network.name}`,
    );
  }
  const endpoints = before.endpoints.filter(({ id }) => id !== socket.endpoint.id);
  const left = withResolvConf(core, { ...before, endpoints });
  // From here on there is no way back: what fails later is tried again by the next daemon's start.
  await unplug(core, socket, before);
  await reroute(core, before, left);
  const sandbox = await follow(core, left);
  try {
    core.sandboxes.restore(sandbox);
    await core.ports.link(containerId, linksOf(core, sandbox));
  } finally {
    core.leases.release(network, socket.endpoint);
    core.activity.release(network);
    announce(core, 'disconnect', network, containerId);
  }
  return sandbox;
}

async function unplug(core: Core, socket: Socketed, sandbox: Sandbox): Promise<void> {
  if (sandbox.rate !== undefined) await ignoreGone(core.rates.remove(sandbox.path, socket));
  await ignoreGone(pullOut(core, socket));
}

export async function changePorts(
  core: Core,
  containerId: string,
  change: { readonly add: readonly PortWish[]; readonly remove: readonly PortBinding[] },
): Promise<Sandbox> {
  using _lock = await core.locks.acquire(containerId);
  const before = sandboxOf(core, containerId);
  await using undo = new Undo(core.report);
  const target = pluggedOf(core, before);
  const ports = await core.ports.change(target, change);
  undo.add('publish as before', () => core.ports.change(target, changeBack(before.ports, ports)));
  const sandbox = { ...before, ports, waiting: core.ports.waiting(containerId) };
  core.sandboxes.put(sandbox);
  undo.commit();
  return sandbox;
}

export async function setRate(
  core: Core,
  containerId: string,
  rate: NetworkRate | undefined,
): Promise<Sandbox> {
  using _lock = await core.locks.acquire(containerId);
  const before = sandboxOf(core, containerId);
  const sandbox = { ...before, rate };
  await using undo = new Undo(core.report);
  // Recorded before it is made: the record tells the next daemon that there may be an ifb.
  core.sandboxes.put({ ...before, rate: rate ?? before.rate });
  undo.add('restore the record', () => core.sandboxes.restore(before));
  for (const socket of socketsOf(core, before)) {
    undo.add('restore the limit', () => core.rates.apply(before.path, socket, before.rate));
    await core.rates.apply(before.path, socket, rate);
  }
  core.sandboxes.put(sandbox);
  undo.commit();
  return sandbox;
}

export async function relink(
  core: Core,
  containerId: string,
  to: readonly string[],
): Promise<void> {
  using _lock = await core.locks.acquire(containerId);
  const before = core.sandboxes.get(containerId);
  if (before === undefined) return;
  const sandbox = { ...before, links: { ...before.links, to } };
  await using undo = new Undo(core.report);
  undo.add('link as before', () => core.ports.link(containerId, linksOf(core, before)));
  await core.ports.link(containerId, linksOf(core, sandbox));
  core.sandboxes.put(sandbox);
  undo.commit();
}

export async function rename(core: Core, containerId: string, name: string): Promise<void> {
  using _lock = await core.locks.acquire(containerId);
  const before = core.sandboxes.get(containerId);
  if (before === undefined) return;
  const renamed = { ...before, containerName: name };
  const endpoints = before.endpoints.map((endpoint) => {
    const network = core.networks.byId(endpoint.networkId);
    if (network === undefined) return endpoint;
    return { ...endpoint, dnsNames: dnsNamesOf(network, endpoint.wish, renamed) };
  });
  const sandbox = { ...renamed, endpoints };
  await using undo = new Undo(core.report);
  undo.add('answer to the name before', () => core.names.set(pluggedOf(core, before)));
  await core.names.set(pluggedOf(core, sandbox));
  core.sandboxes.put(sandbox);
  undo.commit();
}
