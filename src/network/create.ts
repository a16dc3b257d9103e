// Making and removing networks: what is asked for becomes a record, checked by the driver, with
// subnets that overlap nothing. Nothing is made in the kernel before the first endpoint.
import { now } from '#base/clock.ts';
import { EngineError, isEngineError } from '#base/error.ts';
import { newId, shortId } from '#base/id.ts';
import { borrow, checkNotLent, configRecord } from './config-only.ts';
import { announce, type Core, socketsOf } from './core.ts';
import type { NetworkDriverName, NetworkRecord, NetworkRequest, NetworkView } from './engine.ts';
import { planSubnets } from './ipam/subnet.ts';
import { isUserDefined } from './wish.ts';

export const NETWORKS_MAX = 4096;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const NAME_LENGTH_MAX = 255;
const OPTIONS_MAX = 128;
const OPTION_LENGTH_MAX = 4096;
/** What "docker network create" may not be called (runconfig.IsPreDefinedNetwork). */
const PREDEFINED: readonly string[] = ['bridge', 'host', 'none', 'default'];
/** Held while the set of networks or their subnets change. */
export const NETWORKS_LOCK = 'networks';

const invalid = (message: string): EngineError => new EngineError('invalid_argument', message);

function checkName(name: string): void {
  if (PREDEFINED.includes(name)) {
    throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network`);
  }
  if (NAME.test(name) && name.length <= NAME_LENGTH_MAX) return;
  const shown = JSON.stringify(name.slice(0, NAME_LENGTH_MAX));
  throw invalid(
    `invalid network name ${shown}: only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed, ` +
      `${NAME_LENGTH_MAX} of them at most`,
  );
}

function checkOptions(what: string, options: Readonly<Record<string, string>>): void {
  const entries = Object.entries(options);
  if (entries.length > OPTIONS_MAX) throw invalid(`more than ${OPTIONS_MAX} ${what}`);
  for (const [key, value] of entries) {
    if (key.length + value.length <= OPTION_LENGTH_MAX) continue;
    throw invalid(`one of the ${what} has more than ${OPTION_LENGTH_MAX} characters`);
  }
}

function driverName(core: Core, name: string): NetworkDriverName {
  const wanted = name === '' || name === 'default' ? 'bridge' : name;
  if (Object.hasOwn(core.drivers, wanted)) return wanted as NetworkDriverName;
  throw new EngineError(
    'not_found',
    `could not find plugin ${wanted} in v1 plugin registry: plugin not found`,
  );
}

/** Destinations of the host's routes, which a chosen subnet avoids. */
export async function hostRoutes(core: Core): Promise<readonly string[]> {
  const routes = await core.netlink.routes('');
  return routes.flatMap(({ to, type }) => (to === 'default' || type !== 'unicast' ? [] : [to]));
}

/** A record with its subnets, checked by its driver; nothing is stored. */
export async function planNetwork(
  core: Core,
  asked: NetworkRequest,
  as: { readonly id: string; readonly createdAt: bigint },
): Promise<NetworkRecord> {
  if (asked.configOnly) return configRecord(asked, as);
  const request = borrow(asked, (name) => core.networks.named(name));
  const driver = driverName(core, request.driver);
  const { addresses } = core.drivers[driver];
  const { ipam, internal, options, labels, attachable, name } = request;
  if (!['', 'default', 'null'].includes(ipam.driver)) {
    throw new EngineError(
      'not_found',
      `could not find plugin ${ipam.driver} in v1 plugin registry: plugin not found`,
    );
  }
  const ipv4 = request.ipv4 ?? true;
  const ipv6 = request.ipv6 ?? false;
  if (!ipv4 && !ipv6 && addresses) throw invalid('IPv4 or IPv6 must be enabled');
  const hasPool = addresses && ipam.driver !== 'null';
  const others = core.networks.list().filter(({ id }) => id !== as.id);
  const subnets = !hasPool
    ? []
    : planSubnets({
        families: [...(ipv4 ? ([4] as const) : []), ...(ipv6 ? ([6] as const) : [])],
        requests: ipam.requests,
        pools: core.pools,
        networks: others.flatMap((other) => other.ipam.subnets.map(({ subnet }) => subnet)),
        routes: await hostRoutes(core),
        withGateway: core.drivers[driver].gateway({ internal, options }),
      });
  const record: NetworkRecord = {
    version: 1,
    ...as,
    name,
    driver,
    ipv4,
    ipv6,
    internal,
    attachable,
    options,
    labels,
    ipam: { driver: ipam.driver === '' ? 'default' : ipam.driver, options: ipam.options, subnets },
    ...(request.configFrom === '' ? {} : { configFrom: request.configFrom }),
  };
  await core.drivers[driver].validate(record, others);
  return record;
}

export async function create(
  core: Core,
  request: NetworkRequest,
): Promise<{ readonly id: string; readonly warnings: readonly string[] }> {
  using _lock = await core.locks.acquire(NETWORKS_LOCK);
  checkName(request.name);
  checkOptions('options', request.options);
  checkOptions('labels', request.labels);
  checkOptions('IPAM options', request.ipam.options);
  if (core.networks.named(request.name) !== undefined) {
    throw new EngineError('conflict', `network with name ${request.name} already exists`);
  }
  if (core.networks.list().length >= NETWORKS_MAX) {
    throw new EngineError('limit_exceeded', `there are ${NETWORKS_MAX} networks already`);
  }
  const whole = withDefaultOptions(core, request);
  const record = await planNetwork(core, whole, { id: newId(), createdAt: now() });
  await core.networks.put(record);
  announce(core, 'create', record);
  return { id: record.id, warnings: [] };
}

/** The request's own go first. A network that borrows its settings has those, and no others. */
function withDefaultOptions(core: Core, request: NetworkRequest): NetworkRequest {
  if (request.configOnly || request.configFrom !== '') return request;
  const defaults = core.defaultOptions[driverName(core, request.driver)];
  return { ...request, options: { ...defaults, ...request.options } };
}

export const isPredefined = (record: NetworkRecord): boolean =>
  !isUserDefined(record) && record.lends === undefined;

/** `name:"web" id:"0123456789ab"` of each endpoint, as Docker lists them. */
function activeEndpoints(core: Core, record: NetworkRecord): string {
  return core.sandboxes
    .list()
    .flatMap((sandbox) => socketsOf(core, sandbox).map((socket) => ({ sandbox, ...socket })))
    .filter(({ network }) => network.id === record.id)
    .map(({ sandbox, endpoint }) => `name:"${sandbox.containerName}" id:"${shortId(endpoint.id)}"`)
    .join(', ');
}

export async function remove(core: Core, ref: string): Promise<void> {
  using _lock = await core.locks.acquire(NETWORKS_LOCK);
  await removeRecord(core, core.networks.get(ref));
}

/** What is wanted of the networks without endpoints; one that gets one meanwhile stays. */
export async function prune(
  core: Core,
  wanted: (view: NetworkView) => boolean,
): Promise<readonly string[]> {
  using _lock = await core.locks.acquire(NETWORKS_LOCK);
  const removed: string[] = [];
  for (const record of core.networks.list()) {
    if (isPredefined(record) || core.activity.holds(record) > 0) continue;
    if (record.lends !== undefined) continue;
    if (!wanted({ record, predefined: false, endpoints: [] })) continue;
    try {
      await removeRecord(core, record);
      removed.push(record.name);
    } catch (error) {
      if (!isEngineError(error, 'forbidden')) core.report(`remove network ${record.name}`, error);
    }
  }
  const attributes = { reclaimed: '0' };
  core.events.publish({ type: 'network', action: 'prune', actor: { id: '', attributes } });
  return removed;
}

async function removeRecord(core: Core, record: NetworkRecord): Promise<void> {
  if (isPredefined(record)) {
    throw new EngineError(
      'forbidden',
      `${record.name} is a pre-defined network and cannot be removed`,
    );
  }
  checkNotLent(record, core.networks.list());
  if (!core.activity.leave(record)) {
    throw new EngineError(
      'forbidden',
      `error while removing network: network ${record.name} has active endpoints ` +
        `(${activeEndpoints(core, record)})`,
    );
  }
  try {
    await core.activity.down(record);
    await core.networks.delete(record);
  } catch (error) {
    core.activity.stay(record);
    throw error;
  }
  core.activity.forget(record);
  core.leases.forget(record);
  announce(core, 'destroy', record);
}
