// The wiring: every part is made by a plain constructor call, in the order of the layers, and
// closed in reverse. No decision about containers is here.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ApiDeps } from '#api/deps.ts';
import type { Log } from '#base/log.ts';
import { Trash } from '#base/trash.ts';
import type { UndoReport } from '#base/undo.ts';
import { EngineError } from '#base/error.ts';
import { createContainerEngine } from '#container/container-engine.ts';
import type { Deps, Settings } from '#container/deps.ts';
import type { ContainerEngine } from '#container/engine.ts';
import { isRunning } from '#container/guard.ts';
import { type ProbeCounts, watchHealth } from '#container/health-watch.ts';
import { Lives } from '#container/live.ts';
import { ContainerLocks } from '#container/lock.ts';
import { watchOom } from '#container/oom.ts';
import { recover, startAtBoot } from '#container/recover.ts';
import type { MountPoint } from '#container/record.ts';
import { ContainerStore } from '#container/store.ts';
import { UsernsRanges } from '#container/userns.ts';
import { EventBus } from '#event/bus.ts';
import { exploreImage } from '#image/explore.ts';
import { ImageService } from '#image/image.ts';
import { UnpackPool } from '#image/layer/pool.ts';
import { detectFeatures } from '#kernel/cgroup/features.ts';
import { OpError } from '#kernel/native/encode.ts';
import { NativeAgent } from '#kernel/native/agent.ts';
import type { Agent } from '#kernel/native/native.ts';
import { NO_BRIDGE } from '#network/predefined.ts';
import type { HostFacts } from '#runtime/facts.ts';
import { OomSource } from '#runtime/oom.ts';
import { createVisits, type Visits } from '#runtime/visit.ts';
import { takesLayers } from '#runtime/plan.ts';
import { SnapshotStore } from '#snapshot/store.ts';
import { TopCopies } from '#snapshot/top-copies.ts';
import { VolumeService } from '#volume/service.ts';
import type { VolumeNeeds } from '#volume/volume.ts';
import { busyboxPath, nativePath } from './asset.ts';
import type { MountDisk } from '#build/cache-mounts.ts';
import { makeBuildParts, openBuilds } from './builds.ts';
import { makeCgroupPort } from './cgroup-port.ts';
import { type Cgroups, openCgroups } from './cgroups.ts';
import type { Config } from './config.ts';
import { collectFacts } from './facts.ts';
import { openNetworks } from './networks.ts';
import { makeImagePort, makeSnapshotPort } from './image-port.ts';
import { type Reloadable, SwitchRegistries } from './reload.ts';
import { makeResourceChecker } from './resource-port.ts';
import { makeRuntimePort } from './runtime-port.ts';
import { makeSlices } from './slices.ts';
import { openSpares } from './spares.ts';
import { chooseDriver } from './storage-driver.ts';
import { makeVolumePort } from './volume-port.ts';

export type Engine = AsyncDisposable & {
  readonly api: ApiDeps;
  readonly events: EventBus;
  readonly probes: ProbeCounts;
  readonly reloadable: Reloadable;
  /** Starts what the restart policies want; after the sockets are open. */
  begin(): void;
};

export async function openEngine(config: Config, log: Log): Promise<Engine> {
  await using parts = new AsyncDisposableStack();
  const report = reportTo(log);
  const native = nativePath(process.env);
  const agent = parts.use(new NativeAgent(native));
  const cgroups = parts.use(await openCgroups(agent, config, report));
  const { host } = cgroups;
  const features = detectFeatures(host.cgroups);
  const events = new EventBus();
  // An agent of its own deletes what containers wrote, so that the other never waits for the disk.
  const trash = parts.use(makeTrash(parts.use(new NativeAgent(native)), report));
  const needsOfStores = { config, agent, trash, log, host };
  const { store, snapshots, copies, monitors } = await openStores(needsOfStores, parts);
  const registries = parts.use(new SwitchRegistries(config.registry));
  const disk = makeMountDisk(parts.use(new NativeAgent(native)));
  const build = makeBuildParts(config, disk, native);
  const pinned: ImageNeeds['pinned'] = (hold) => build.cache.load(hold);
  const needsOfImages = { snapshots, registries, publisher: events, report, pinned };
  const images = await openImages(config, store, needsOfImages, parts);
  const volumes = makeVolumes(native, config, parts, { trash, events });
  const problemsOfVolumes = await volumes.load();
  const needs = { config, agent, nativePath: native, events, report, log };
  const { service: networks } = parts.use(await openNetworks(needs));
  const lives = parts.adopt(new Lives(), (each) => each.close());
  const resources = makeResourceChecker(host.cgroups, features);
  const members = { store, locks: new ContainerLocks(lives), lives, resources };
  const slices = await makeSlices({ config, agent, cgroups, members, report });
  const runtimes = { ...config.runtimes };
  const settings = makeSettings(config, cgroups);
  const deps: Deps = {
    ...members,
    events,
    images: makeImagePort(images, build.ephemeral),
    snapshots: makeSnapshotPort(snapshots, images, copies, disk.measure),
    copies,
    volumes,
    networks,
    runtime: makeRuntimePort(agent, host, slices.places, runtimes, monitors),
    visits: createVisits(native, host),
    slices: slices.service,
    oom: parts.use(new OomSource()),
    trash,
    usernsRanges: new UsernsRanges(join(config.dataRoot, 'userns-next')),
    settings,
    report,
  };
  await recoverAll(deps, slices.service);
  tellProblems(log, { images, store, networks, slices, others: problemsOfVolumes });
  await images.loadBuiltin(busyboxPath(), new AbortController().signal);
  const containers = createContainerEngine(deps);
  const { probes } = parts.use(watchContainers(deps, events, containers));
  const builds = parts.use(await openBuilds(config, build, { images, containers, deps }));
  const facts = await collectFacts(config, host, features, snapshots.driver.name);
  const all = parts.move();
  return {
    api: {
      ...imageApi(images, deps.visits),
      containers,
      builds,
      volumes: makeVolumePort(deps),
      networks,
      slices: slices.service,
      events,
      cgroups: makeCgroupPort(host.cgroups, cgroups.parent),
      facts,
      log,
    },
    events,
    probes,
    reloadable: { settings, runtimes, facts, registries },
    begin: () => void startAtBoot(deps).catch((error) => report('start containers at boot', error)),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function imageApi(images: ImageService, visits: Visits): Pick<ApiDeps, 'images' | 'explore'> {
  return {
    images,
    explore: (name) => exploreImage(images.deps, images.resolve(name), visits.layer),
  };
}

function reportTo(log: Log): UndoReport {
  return (what, error) => log.error(`cannot ${what}, ignoring`, { error });
}

/** Records that cannot be read are left alone, and the others served. */
function tellProblems(
  log: Log,
  parts: {
    readonly images: Pick<ImageService, 'problems'>;
    readonly store: Pick<ContainerStore, 'problems'>;
    readonly networks: { readonly problems: readonly string[] };
    readonly slices: { readonly problems: readonly string[] };
    readonly others: readonly string[];
  },
): void {
  const problems = [
    ...parts.images.problems.map(({ path, message }) => `${path}: ${message}`),
    ...parts.others,
    ...parts.networks.problems,
    ...parts.slices.problems,
    ...parts.store.problems.map(({ path, error }) => `${path}: ${error}`),
  ];
  for (const problem of problems) log.error('a record cannot be read, ignoring it', { problem });
}

/** What the kernel and the containers' own checks say of what runs. */
function watchContainers(
  deps: Deps,
  events: EventBus,
  engine: ContainerEngine,
): Disposable & { readonly probes: ProbeCounts } {
  const probes: ProbeCounts = { begun: 0, failed: 0 };
  using watches = new DisposableStack();
  watches.use(watchOom(deps));
  watches.use(watchHealth({ ...deps, events, engine, probes }));
  const all = watches.move();
  return { probes, [Symbol.dispose]: () => all.dispose() };
}

type StoreNeeds = {
  readonly config: Config;
  readonly agent: Agent;
  readonly trash: Trash;
  readonly log: Log;
  readonly host: HostFacts;
};

/** What containers are on the disk. */
async function openStores(
  { config, agent, trash, log, host }: StoreNeeds,
  parts: AsyncDisposableStack,
) {
  const { dataRoot, storageDriver: wish } = config;
  const native = nativePath(process.env);
  const perform = agent.perform.bind(agent);
  const { containers, tops: spares, monitors } = await openSpares(agent, config, parts);
  const store = new ContainerStore(join(dataRoot, 'containers'), trash, containers);
  const carrier = parts.use(new NativeAgent(native));
  const carry = carrier.perform.bind(carrier);
  const driver = await chooseDriver({ dataRoot, wish, native, carry, log, host });
  const options = { trash, perform, spares };
  const snapshots = parts.use(await SnapshotStore.open(dataRoot, driver, options));
  const copies = new TopCopies(dataRoot, { snapshots, carry, perform, trash });
  await copies.sweep();
  return { store, snapshots, copies, monitors };
}

function makeSettings(config: Config, cgroups: Cgroups): Settings {
  return {
    runDirectory: join(config.execRoot, 'c'),
    cgroupParent: cgroups.parent,
    cgroupName: cgroups.naming.container,
    cgroupVersion: cgroups.host.cgroups.version,
    realtime: config.realtime,
    hostHostname: hostname(),
    layersJoined: !takesLayers(cgroups.host),
    noBridge: config.network.defaultBridge.bridge === NO_BRIDGE,
    init: config.init,
    hostDefaults: config.hostDefaults,
    logConfig: config.logConfig,
    ulimits: config.ulimits,
    security: {
      noNewPrivileges: config.noNewPrivileges,
      seccomp: readSeccomp(config.seccompProfile),
    },
    runtimes: ['coracle', ...Object.keys(config.runtimes)],
    defaultRuntime: config.defaultRuntime,
  };
}

/** Agents that start when they are needed: a server or a large copy keeps only volumes waiting. */
function makeVolumes(
  native: string,
  { dataRoot }: Config,
  parts: AsyncDisposableStack,
  needs: Pick<VolumeNeeds, 'trash' | 'events'>,
): VolumeService {
  const mounter = parts.use(new NativeAgent(native));
  const carrier = parts.use(new NativeAgent(native));
  return new VolumeService(join(dataRoot, 'volumes'), {
    ...needs,
    perform: mounter.perform.bind(mounter),
    carry: carrier.perform.bind(carrier),
  });
}

function readSeccomp(profile: string): Settings['security']['seccomp'] {
  if (profile === '' || profile === 'builtin') return 'builtin';
  if (profile === 'unconfined') return 'unconfined';
  const json: unknown = JSON.parse(readFileSync(profile, 'utf8'));
  if (typeof json === 'object' && json !== null) return { profile: json };
  throw new EngineError('invalid_argument', `the seccomp profile ${profile} is no JSON object`);
}

function makeTrash(janitor: NativeAgent, report: UndoReport): Trash {
  return new Trash(
    (paths) => removeBy(janitor, paths),
    (path, error) => report(`delete ${path}`, error),
  );
}

async function removeBy(janitor: NativeAgent, paths: readonly string[]): Promise<void> {
  await janitor.perform(paths.map((path) => ({ op: 'remove_tree', path })));
}

/** A container or a cache mount with more files is told without its size. */
const MOUNT_ENTRIES_MAX = 5_000_000;

/** Of an agent of its own, that starts when it is needed: only who asks waits for a large tree. */
function makeMountDisk(agent: NativeAgent): MountDisk {
  return {
    removeTrees: (paths) => removeBy(agent, paths),
    measure: async (path) => {
      try {
        const op = { op: 'tree_usage', path, limit: MOUNT_ENTRIES_MAX } as const;
        const [result] = await agent.perform([op]);
        return Number(result?.output.readBigUInt64LE(0) ?? 0n);
      } catch (error) {
        if (error instanceof OpError) return 0;
        throw error;
      }
    },
  };
}

type ImageNeeds = Parameters<typeof ImageService.open>[0];

function openImages(
  { dataRoot, registry }: Config,
  store: ContainerStore,
  needs: Omit<ImageNeeds, 'unpacker' | 'dataRoot' | 'downloadsMax' | 'uploadsMax' | 'usedBy'>,
  parts: AsyncDisposableStack,
): Promise<ImageService> {
  const { downloadsMax, uploadsMax } = registry;
  const usedBy: ImageNeeds['usedBy'] = (id) => usersOf(store, id);
  const unpacker = parts.use(new UnpackPool({ nativePath: nativePath(process.env) }));
  return ImageService.open({ ...needs, unpacker, dataRoot, downloadsMax, uploadsMax, usedBy });
}

async function recoverAll(
  deps: Deps,
  slices: { open(): Promise<void>; complete(): Promise<void> },
): Promise<void> {
  await slices.open();
  await recover(deps);
  await slices.complete();
}

const showsImage =
  (id: string) =>
  ({ image }: MountPoint): boolean =>
    image?.id === id;

function usersOf(store: ContainerStore, imageId: string) {
  return store
    .list()
    .filter(({ image, mounts }) => image.id === imageId || mounts.some(showsImage(imageId)))
    .map((record) => ({
      containerId: record.id,
      name: record.name,
      running: isRunning(record.state),
    }));
}
