// Makes the process of a container, up to where it waits for "go": its network, its files, its
// process. start.ts lets it go; ahead.ts does the same before anybody has asked for it.
import { mkdirSync, statSync } from 'node:fs';
import { EngineError, errnoOf } from '#base/error.ts';
import type { Undo } from '#base/undo.ts';
import type { Sandbox } from '#network/engine.ts';
import type { Box, BoxDevice } from '#runtime/box.ts';
import { readHostDevices } from '#runtime/facts.ts';
import { checkPropagation } from '#runtime/propagation.ts';
import { throwawayTop } from './box-mounts.ts';
import type { Deps } from './deps.ts';
import { readDevices } from './device.ts';
import { writeOwnFiles } from './files.ts';
import { linkEffects, NO_LINKS } from './link.ts';
import { makeBox, runDirectoryOf } from './make-box.ts';
import { joiner, planNamespaces } from './namespace.ts';
import {
  type NetworkSource,
  networkNamespace,
  openNetwork,
  sourceOf,
  withHostname,
} from './network.ts';
import type { Spare, Task } from './port.ts';
import type { ContainerRecord } from './record.ts';
import { cgroupOf, checkSlice } from './slice.ts';
import { isFile, layersOf, makeTop } from './sources.ts';
import { holdVolumes } from './volumes.ts';

export type Made = {
  /** As it runs: with the hostname of the container whose network it shares. */
  readonly record: ContainerRecord;
  readonly task: Task;
};

export type MakeOptions = {
  /** Nobody is told of its network before networks.show(). */
  readonly hidden: boolean;
  readonly spare?: Promise<Spare>;
  /** As soon as clients can be attached to it. */
  readonly onAttachable: (attach: Task['attach']) => void;
};

/** What is made is the undo stack's to take back. */
export async function make(
  deps: Deps,
  stored: ContainerRecord,
  undo: Undo,
  { hidden, spare, onAttachable }: MakeOptions,
): Promise<Made> {
  checkSlice(deps, stored.spec.host);
  const source = sourceOf(stored, deps.settings);
  const record = withHostname(deps, stored, source);
  const network = beginNetwork(deps, record, { source, hidden }, undo);
  makeSources(deps, record);
  await holdVolumes(deps, record, undo);
  await using _top = await deps.snapshots.hold(record.id);
  // It may have been mounted before, by a run or a launch ahead.
  if (record.spec.host.autoRemove && spare === undefined) deps.snapshots.reopen(record.id);
  const box = boxOf(deps, record, network.box);
  const directory = runDirectoryOf(deps.settings, record.id);
  const { ready } = network;
  const task = await deps.runtime.launch(box, directory, { spare, ready, onAttachable });
  undo.add('end the connection to the monitor', () => task.close());
  await network.adopt(task.pid);
  return { record, task };
}

/** Opens the network beside the other preparations; the process is not made before `ready`. */
function beginNetwork(
  deps: Deps,
  record: ContainerRecord,
  { source, hidden }: { readonly source: NetworkSource; readonly hidden: boolean },
  undo: Undo,
) {
  const wished = source.kind === 'own' ? source.request : undefined;
  const request = wished === undefined ? undefined : { ...wished, hidden };
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
    layersOf: (chain) => layersOf(deps, chain),
  });
}

/** --privileged has the host's devices; those that the user names go over them. */
function devicesOf(record: ContainerRecord): readonly BoxDevice[] {
  const named = readDevices(record.spec.host.devices);
  if (!record.spec.host.privileged) return named;
  const taken = new Set(named.map((device) => device.path));
  return [...readHostDevices().filter((device) => !taken.has(device.path)), ...named];
}

/** The host directories of -v that are missing, and empty tops. */
function makeSources(deps: Pick<Deps, 'store'>, record: ContainerRecord): void {
  for (const [index, mount] of record.mounts.entries()) {
    if (mount.createSource) makeSource(mount.source);
    if (mount.type === 'bind') checkPropagation(mount.source, mount.propagation);
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
