// start: make the process, store that it runs, connect who is attached, let it go.
// The order is what makes kill -9 of the daemon harmless: a monitor whose daemon goes away before
// "go" ends the process itself; one that was told "go" is found again through the stored state.
import { mkdirSync, statSync } from 'node:fs';
import { now } from '#base/clock.ts';
import { EngineError, errnoOf, isEngineError, messageOf } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import type { Sandbox } from '#network/engine.ts';
import type { Box, BoxDevice } from '#runtime/box.ts';
import { readHostDevices } from '#runtime/facts.ts';
import { throwawayTop } from './box-mounts.ts';
import type { Deps } from './deps.ts';
import { readDevices } from './device.ts';
import { publish } from './event.ts';
import { watchExit } from './exit.ts';
import { writeOwnFiles } from './files.ts';
import { guard } from './guard.ts';
import { linkEffects, NO_LINKS, tellLinked } from './link.ts';
import type { Live } from './live.ts';
import { makeBox, runDirectoryOf } from './make-box.ts';
import { joiner, planNamespaces } from './namespace.ts';
import {
  type NetworkSource,
  networkNamespace,
  openNetwork,
  sourceOf,
  tellPlainNetworks,
  withHostname,
} from './network.ts';
import type { Task } from './port.ts';
import type { ContainerRecord } from './record.ts';
import { removeLocked } from './remove.ts';
import { cgroupOf, checkSlice } from './slice.ts';
import { layersOf, makeTop } from './sources.ts';
import type { Pid } from './state.ts';
import { holdVolumes } from './volumes.ts';

export async function start(deps: Deps, ref: string): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'start', ref);
  await startLocked(deps, { ...record, restartCount: 0, manuallyStopped: false });
}

/** The caller holds the lock and knows that the state allows a start. */
export async function startLocked(deps: Deps, record: ContainerRecord): Promise<void> {
  const live = deps.lives.of(record.id);
  live.cancelRestart();
  live.cutVisits('the container was started again'); // they hold the root of its last run
  if (live.removing > 0) {
    throw new EngineError('conflict', 'container is marked for removal and cannot be started');
  }
  try {
    const running = await run(deps, record, live);
    tellPlainNetworks(deps, running, 'connect');
    publish(deps, running, 'start');
  } catch (error) {
    await failed(deps, record, live, error);
    throw error;
  }
}

async function run(deps: Deps, stored: ContainerRecord, live: Live): Promise<ContainerRecord> {
  await using undo = new Undo(deps.report);
  checkSlice(deps, stored.spec.host);
  const source = sourceOf(stored, deps.settings);
  const record = withHostname(deps, stored, source);
  const network = beginNetwork(deps, record, source, undo);
  makeSources(deps, record);
  await holdVolumes(deps, record, undo);
  await using _top = await deps.snapshots.hold(record.id);
  if (record.hasRun && record.spec.host.autoRemove) deps.snapshots.reopen(record.id);
  const box = boxOf(deps, record, network.box);
  const directory = runDirectoryOf(deps.settings, record.id);
  let early: Promise<void> | undefined;
  const task = await deps.runtime.launch(box, directory, {
    ready: network.ready,
    onAttachable: (attach) => {
      early = connect(attach, live).catch(() => {}); // too early; then below
    },
  });
  undo.add('end the connection to the monitor', () => task.close());
  await network.adopt(task.pid);
  const startedAt = now();
  const before = deps.store.get(record.id);
  const runningAs = (pid: number): ContainerRecord => ({
    ...record,
    state: { status: 'running', pid: pid as Pid, startedAt },
    hasRun: true,
    startError: undefined,
  });
  const { pid } = task;
  const running = runningAs(pid);
  // Not durable: after a power cut there is no process, whatever the record says.
  await deps.store.put(running, { durable: false });
  undo.add('store the state before', () => deps.store.put(before, { durable: false }));
  await early;
  await connect((streams) => task.attach(streams), live);
  await task.go();
  undo.commit();
  live.task = task;
  watchExit(deps, record.id, task);
  tellLinked(deps, record);
  if (task.pid === pid) return running;
  // An external runtime has made the first process only now.
  const known = runningAs(task.pid);
  await deps.store.put(known, { durable: false });
  return known;
}

/** Opens the network beside the other preparations; the process is not made before `ready`. */
function beginNetwork(deps: Deps, record: ContainerRecord, source: NetworkSource, undo: Undo) {
  const request = source.kind === 'own' ? source.request : undefined;
  const links = request === undefined ? NO_LINKS : linkEffects(deps, record);
  const write = (sandbox: Sandbox | undefined): Promise<void> =>
    writeOwnFiles(deps, record, { source, sandbox, links });
  // A user namespace must own its network namespace (user_namespaces(7)): then the process is
  // first.
  const early = request !== undefined && record.userns === undefined;
  const ready = early ? openNetwork(deps, request, undo).then(write) : write(undefined);
  ready.catch(() => {}); // a start that fails before it waits has its own reason
  const path = early ? deps.networks.path(record.id) : undefined;
  const box: BoxNetwork = { source, path, env: links.env };
  const adopt = async (pid: number): Promise<void> => {
    if (early || request === undefined) return;
    await write(await openNetwork(deps, { ...request, adopt: `/proc/${pid}/ns/net` }, undo));
  };
  return { box, ready, adopt };
}

/** Attached clients get their streams before the first byte can be written. */
async function connect(attach: Task['attach'], live: Live): Promise<void> {
  for (const attachment of live.attachments) {
    if (attachment.destroyed || attachment.connected) continue;
    attachment.connect(await attach(attachment.streams));
  }
}

export type BoxNetwork = {
  readonly source: NetworkSource;
  /** The namespace that is opened for it. */
  readonly path: string | undefined;
  /** Of links. */
  readonly env: readonly string[];
};

export function boxOf(deps: Deps, record: ContainerRecord, network: BoxNetwork): Box {
  const { source } = network;
  const join = joiner(deps, record);
  return makeBox(record, {
    settings: deps.settings,
    ...planNamespaces(record, {
      cgroupVersion: deps.settings.cgroupVersion,
      join,
      network: networkNamespace(source, { path: network.path, join }),
    }),
    env: network.env,
    devices: devicesOf(record),
    root: deps.snapshots.root(record.id),
    ...cgroupOf(deps, record.spec.host, 'refuse'),
    directory: deps.store.directory(record.id),
    filesOf: deps.store.directory(
      source.kind === 'join' ? deps.store.get(source.container).id : record.id,
    ),
    isFile,
    layersOf: (chain) => layersOf(deps, record.id, chain),
  });
}

/** --privileged has the host's devices; those that the user names go over them. */
function devicesOf(record: ContainerRecord): readonly BoxDevice[] {
  const named = readDevices(record.spec.host.devices);
  if (!record.spec.host.privileged) return named;
  const taken = new Set(named.map((device) => device.path));
  return [...readHostDevices().filter((device) => !taken.has(device.path)), ...named];
}

function isFile(path: string): boolean {
  return !(statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? true);
}

/** The host directories of -v that are missing, and empty tops. */
function makeSources(deps: Pick<Deps, 'store'>, record: ContainerRecord): void {
  for (const [index, mount] of record.mounts.entries()) {
    if (mount.createSource) makeSource(mount.source);
    if (mount.throwaway) makeTop(mount, throwawayTop(deps.store.directory(record.id), index));
  }
}

function makeSource(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new EngineError(
      'invalid_argument',
      `error while creating mount source path '${path}': mkdir ${path}: ${errnoOf(error)}`,
      { cause: error },
    );
  }
}

const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;
const EXIT_UNKNOWN = 128;

/** The exit code that Docker gives to a failed start, by its text (daemon/errors.go). */
export function startExitCode(error: unknown): number {
  const known = isEngineError(error) ? error.facts['exitCode'] : undefined;
  if (typeof known === 'number') return known;
  const text = messageOf(error).toLowerCase();
  if (text.includes('permission denied') || text.includes('is a directory')) {
    return EXIT_NOT_EXECUTABLE;
  }
  const missing = [
    'executable file not found',
    'no such file or directory',
    'not a directory',
    'system cannot find the file specified',
    'failed to run runc create/exec call',
  ];
  return missing.some((part) => text.includes(part)) ? EXIT_NOT_FOUND : EXIT_UNKNOWN;
}

/** A start that failed leaves the container as it was, with the reason; --rm takes it away. */
async function failed(
  deps: Deps,
  record: ContainerRecord,
  live: Live,
  error: unknown,
): Promise<void> {
  for (const attachment of live.attachments) attachment.finish();
  live.attachments.clear();
  const startError = { message: messageOf(error), exitCode: startExitCode(error) };
  const stored = deps.store.get(record.id);
  // A policy's start that fails is an end like any other, and not tried again.
  const { state } = stored;
  const after: ContainerRecord = {
    ...stored,
    startError,
    state:
      state.status === 'restarting'
        ? { status: 'exited', exit: state.exit, startedAt: state.startedAt }
        : state,
  };
  try {
    await deps.store.put(after, { durable: false });
    live.exited.tell({ statusCode: startError.exitCode, error: startError.message });
    if (record.spec.host.autoRemove) await removeLocked(deps, after, { volumes: true });
  } catch (problem) {
    deps.report(`clean up after the failed start of ${record.id}`, problem);
  }
}
