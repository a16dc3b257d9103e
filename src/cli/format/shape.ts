// What Go's types know of an object and its JSON does not show: fields that are left out when they
// are empty, lists and maps that are null, and which objects are maps, where a key that is missing
// is no mistake. Templates are written against the types: `{{if .State.Health}}` must be false.

/** A key of these is a name that somebody chose. */
const MAP_NAMES = new Set([
  ...['Annotations', 'Attributes', 'AuxiliaryAddresses', 'Config', 'Containers', 'Data'],
  ...['DriverOpts', 'ExposedPorts', 'IndexConfigs', 'Labels', 'Networks', 'Options'],
  ...['PortBindings', 'Ports', 'Runtimes', 'StorageOpt', 'Sysctls', 'Tmpfs', 'UsageData'],
  ...['Volumes'],
]);
type Zero = '' | 0 | false | 'nil' | 'list' | 'map';
type Shape = { readonly [field: string]: Zero | Shape };

const names = (zero: Zero, text: string): Shape =>
  Object.fromEntries(text.split(' ').map((name) => [name, zero]));

const CONFIG: Shape = {
  ...names('list', 'Cmd Entrypoint Env OnBuild Shell'),
  ...names('map', 'ExposedPorts Volumes Labels'),
  ...names('nil', 'Healthcheck StopTimeout'),
  ...names('', 'MacAddress StopSignal User WorkingDir'),
  ...names(false, 'ArgsEscaped NetworkDisabled'),
};

const HOST_CONFIG: Shape = {
  ...names('list', 'Binds BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps'),
  ...names('list', 'BlkioDeviceReadIOps BlkioDeviceWriteIOps CapAdd CapDrop Devices'),
  ...names('list', 'DeviceCgroupRules DeviceRequests Dns DnsOptions DnsSearch ExtraHosts'),
  ...names('list', 'GroupAdd Links MaskedPaths Mounts ReadonlyPaths SecurityOpt Ulimits'),
  ...names('list', 'VolumesFrom'),
  ...names('map', 'Annotations PortBindings StorageOpt Sysctls Tmpfs'),
  ...names('nil', 'Init MemorySwappiness OomKillDisable PidsLimit'),
  ...names(0, 'KernelMemory KernelMemoryTCP'),
  ...names('', 'Runtime'),
};

const SHAPES = {
  container: {
    State: names('nil', 'Health'),
    Config: CONFIG,
    HostConfig: HOST_CONFIG,
    ...names('list', 'Args ExecIDs Mounts'),
    ...names('nil', 'SizeRw SizeRootFs ImageManifestDescriptor'),
  },
  image: {
    Config: CONFIG,
    RootFS: names('list', 'Layers'),
    ...names('list', 'RepoTags RepoDigests'),
    ...names('', 'Author Comment Container Created DockerVersion OsVersion Parent Variant'),
    ...names('nil', 'ContainerConfig Descriptor'),
  },
  network: {
    IPAM: { ...names('map', 'Options'), ...names('list', 'Config') },
    ...names('map', 'Containers Labels Options'),
    ...names('list', 'Peers'),
  },
  volume: {
    ...names('map', 'Labels Options Status'),
    ...names('nil', 'ClusterVolume UsageData'),
    ...names('', 'CreatedAt'),
  },
  event: { ...names('', 'status id from scope'), Actor: names('map', 'Attributes') },
} as const satisfies Record<string, Shape>;

/** By what it has; one that nobody knows is taken as it is. */
function shapeOf(value: unknown): Shape {
  if (typeof value !== 'object' || value === null) return {};
  if ('HostConfig' in value) return SHAPES.container;
  if ('RootFS' in value) return SHAPES.image;
  if ('IPAM' in value) return SHAPES.network;
  if ('Mountpoint' in value) return SHAPES.volume;
  return 'Actor' in value ? SHAPES.event : {};
}

const OPEN = new WeakSet<object>();

/** True for an object whose keys are not fields. */
export function isMap(value: object): boolean {
  return OPEN.has(value);
}

/** The object as Go would have it after reading the same JSON. */
export function shaped(value: unknown): unknown {
  fill(value, shapeOf(value));
  markMaps(value, 0);
  return value;
}

function fill(value: unknown, shape: Shape): void {
  if (typeof value !== 'object' || value === null) return;
  const object = value as Record<string, unknown>;
  for (const [name, zero] of Object.entries(shape)) {
    const known = object[name];
    if (typeof zero === 'object') fill(known, zero);
    else if (known === undefined) {
      // Not enumerable: `json` shows what the engine said.
      Object.defineProperty(object, name, { value: zeroOf(zero), writable: true });
    } else if (known === null) object[name] = zeroOf(zero);
  }
}

/** An empty list or map that `json` shows as null, as it came. */
function zeroOf(zero: Zero): unknown {
  if (zero === 'nil') return null;
  if (zero !== 'list' && zero !== 'map') return zero;
  const empty: unknown[] | Record<string, unknown> = zero === 'list' ? [] : {};
  if (zero === 'map') OPEN.add(empty);
  return Object.defineProperty(empty, 'toJSON', { value: () => null });
}

function markMaps(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    if (typeof item !== 'object' || item === null) continue;
    // Of a container or an image it has fields; of a log driver it is a map.
    const isFields = depth === 0 && name === 'Config';
    if (MAP_NAMES.has(name) && !Array.isArray(item) && !isFields) OPEN.add(item);
    markMaps(item, depth + 1);
  }
}
