// connect and disconnect: live on a running container, and kept for its next start. A container
// that does not run only has its record changed.
import { EngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import type { EndpointWish, Sandbox } from '#network/engine.ts';
import { parseNetworkMode } from '#network/mode.ts';
import type { Deps } from './deps.ts';
import { checkEndpoint, checkTogether } from './endpoint.ts';
import { changeOwnFiles } from './files.ts';
import { isRunning } from './guard.ts';
import { connections, networkFinder, requestOf } from './network.ts';
import { taskOf } from './pause.ts';
import type { ContainerRecord } from './record.ts';

/** `wish.network`: as the user called it. */
export async function connect(deps: Deps, ref: string, wish: EndpointWish): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guardNetworks(record);
  const mode = parseNetworkMode(record.spec.host.networkMode, deps.settings.noBridge);
  if (mode.mode === 'container') checkTogether([wish.network], mode);
  const running = isRunning(record.state);
  // A network may be made after its containers, but not while they are connected.
  const network = running ? deps.networks.record(wish.network) : networkFinder(deps)(wish.network);
  const name = network?.name ?? wish.network;
  const named = { ...wish, network: name };
  checkEndpoint(named, network);
  const { networking } = record.spec;
  const known = Object.hasOwn(networking, name);
  if (known && !running) return;
  checkTogether(known ? [name] : [...Object.keys(networking), name], mode);
  await using undo = new Undo(deps.report);
  if (running && mode.mode !== 'host') await connectLive(deps, record, named, undo);
  if (!known) await store(deps, record, { ...networking, [name]: named });
  undo.commit();
}

async function connectLive(
  deps: Deps,
  record: ContainerRecord,
  wish: EndpointWish,
  undo: Undo,
): Promise<void> {
  const { id } = record;
  const alone = { spec: { ...record.spec, networking: { [wish.network]: wish } } };
  if (connections(alone, deps.settings).length === 0) return;
  const before = deps.networks.sandbox(id);
  if (before !== undefined) {
    const sandbox = await deps.networks.connect(id, wish);
    undo.add('disconnect', async () => void (await deps.networks.disconnect(id, wish.network)));
    undo.add('write its files as before', () => changeOwnFiles(deps, record, sandbox, before));
    changeOwnFiles(deps, record, before, sandbox);
    return;
  }
  // Without a network so far, its namespace was made by the runtime.
  const adopt = `/proc/${taskOf(deps, id).pid}/ns/net`;
  const sandbox = await deps.networks.open(requestOf(record, [wish], adopt));
  undo.add('close the network', () => deps.networks.close(id));
  changeOwnFiles(deps, record, undefined, sandbox);
}

export async function disconnect(
  deps: Deps,
  ref: string,
  networkRef: string,
  options: { readonly force: boolean },
): Promise<void> {
  if (options.force && deps.store.find(ref) === undefined) throw noEndpoint(deps, ref, networkRef);
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guardNetworks(record);
  const { networking, host } = record.spec;
  const running = isRunning(record.state);
  // With force, also from a network that is not there any more.
  const network =
    running && !options.force ? deps.networks.record(networkRef) : networkFinder(deps)(networkRef);
  const name = network?.name ?? networkRef;
  if (running && name === 'host' && host.networkMode === 'host') {
    throw new EngineError(
      'invalid_argument',
      'cannot disconnect container from host network - container was created in host network mode',
    );
  }
  const before = deps.networks.sandbox(id);
  const isLeft = running && before !== undefined && isOn(before, name);
  // A daemon that ended in between has only forgotten it in the record.
  if (!Object.hasOwn(networking, name) && !isLeft) {
    const isKnown = running && network !== undefined;
    const text = `container ${id} is not connected to ${isKnown ? '' : 'the '}network ${name}`;
    throw new EngineError('conflict', text);
  }
  const { [name]: _gone, ...rest } = networking;
  await using undo = new Undo(deps.report);
  // First what can be taken back: the endpoint would come back with another address.
  await store(deps, record, rest);
  undo.add('store the network again', () => store(deps, record, networking));
  if (isLeft) {
    const sandbox = await deps.networks.disconnect(id, name);
    undo.commit();
    forgetAddresses(deps, record, before, sandbox);
  }
  undo.commit();
}

/** By force Docker looks for the end of a container that is gone. */
function noEndpoint(deps: Deps, ref: string, networkRef: string): EngineError {
  deps.networks.record(networkRef);
  return new EngineError('not_found', `endpoint ${ref} not found`);
}

const isOn = ({ endpoints }: Sandbox, network: string): boolean =>
  endpoints.some(({ networkName }) => networkName === network);

/** It is disconnected, whatever becomes of its files. */
function forgetAddresses(
  deps: Deps,
  record: ContainerRecord,
  before: Sandbox,
  sandbox: Sandbox,
): void {
  try {
    changeOwnFiles(deps, record, before, sandbox);
  } catch (error) {
    deps.report(`take an address out of the files of container ${record.id}`, error);
  }
}

function guardNetworks(record: ContainerRecord): void {
  const { status } = record.state;
  if (status !== 'removing' && status !== 'dead') return;
  throw new EngineError(
    'conflict',
    `Container ${record.id} is marked for removal and cannot be connected or disconnected to the ` +
      'network',
  );
}

async function store(
  deps: Deps,
  record: ContainerRecord,
  networking: ContainerRecord['spec']['networking'],
): Promise<void> {
  await deps.store.put({ ...record, spec: { ...record.spec, networking } }, { durable: true });
}
