// What a new daemon does before it serves: reads the records, takes over what still runs, settles
// what ended meanwhile, completes what was cut short, and removes what nobody knows. One container
// that cannot be recovered is reported and never keeps the others, or the daemon, from starting.
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isFullId } from '#base/id.ts';
import { isTrash } from '#base/trash.ts';
import type { Found } from '#runtime/launch.ts';
import type { Deps } from './deps.ts';
import { settleExit, sweepRun, unseen, watchExit } from './exit.ts';
import { isRunning } from './guard.ts';
import { makeBox, runDirectoryOf, runNameOf } from './make-box.ts';
import { planNamespaces } from './namespace.ts';
import { networkNamespace, sourceOf } from './network.ts';
import type { Task } from './port.ts';
import type { ContainerRecord } from './record.ts';
import { removeLocked } from './remove.ts';
import { shouldStartAtBoot } from './restart-policy.ts';
import { cgroupOf } from './slice.ts';
import { startLocked } from './start.ts';
import { recoverVolumes } from './volumes.ts';

const RECOVER_CONCURRENCY_MAX = 16;
const START_CONCURRENCY_MAX = 4;

export async function recover(deps: Deps): Promise<void> {
  await mkdir(deps.settings.runDirectory, { recursive: true, mode: 0o700 });
  const halfMade = await deps.store.load();
  const found = new Map<ContainerRecord['id'], Found>();
  const running = deps.store.list().filter((record) => isRunning(record.state));
  await inParallel(running, RECOVER_CONCURRENCY_MAX, async (record) => {
    found.set(record.id, await look(deps, record));
  });
  await recoverNetworks(deps, found);
  await quietly(deps, 'recover the volumes', () =>
    recoverVolumes(deps, ({ id }) => found.get(id)?.kind === 'running'),
  );
  await inParallel(deps.store.list(), RECOVER_CONCURRENCY_MAX, (record) =>
    quietly(deps, `recover container ${record.id}`, () =>
      recoverOne(deps, record.id, found.get(record.id)),
    ),
  );
  for (const id of halfMade) {
    await quietly(deps, `remove the half-made container ${id}`, () => sweep(deps, id));
  }
  await removeOrphans(deps);
}

/** After this, networks are as before the daemon ended, and only of what runs. */
async function recoverNetworks(deps: Deps, found: ReadonlyMap<string, Found>): Promise<void> {
  const running = [...found].filter(([, { kind }]) => kind === 'running').map(([id]) => id);
  // A container whose record cannot be read may run: its network is left alone.
  const unknown = deps.store.problems.map(({ id }) => id);
  await quietly(deps, 'recover the networks', () =>
    deps.networks.recover(new Set([...running, ...unknown])),
  );
}

async function recoverOne(deps: Deps, id: string, found: Found | undefined): Promise<void> {
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  if (found !== undefined) return takeOver(deps, record, found);
  if (existsSync(runDirectoryOf(deps.settings, id))) {
    await sweepRun(deps, id);
    // What was only launched ahead, or was cut short in its start, can be mounted again.
    if (record.spec.host.autoRemove) deps.snapshots.reopen(id);
  }
  const { state } = record;
  if (state.status === 'removing') {
    await removeLocked(deps, { ...record, state: state.before }, { volumes: false });
  } else if (state.status === 'exited' && record.spec.host.autoRemove) {
    await removeLocked(deps, record, { volumes: true });
  } else if (state.status === 'restarting') {
    const { exit, startedAt } = state;
    await deps.store.put(
      { ...record, state: { status: 'exited', exit, startedAt } },
      { durable: false },
    );
  }
}

async function look(deps: Deps, record: ContainerRecord): Promise<Found> {
  try {
    return await find(deps, record);
  } catch (error) {
    deps.report(`take container ${record.id} over`, error);
    await quietly(deps, `end container ${record.id}`, () => sweepRun(deps, record.id));
    return { kind: 'gone' };
  }
}

async function takeOver(deps: Deps, record: ContainerRecord, found: Found): Promise<void> {
  switch (found.kind) {
    case 'running':
      deps.lives.of(record.id).task = found.task;
      await quietly(deps, `let container ${record.id} go on`, () =>
        letGoOn(deps, record, found.task),
      );
      watchExit(deps, record.id, found.task);
      return;
    case 'exited':
      return settleExit(deps, record, found.exit);
    case 'gone':
      // The host was restarted, or the daemon died between "made" and "go".
      return settleExit(deps, record, unseen());
    default:
      return found satisfies never;
  }
}

/**
 * The daemon before may have died while it was frozen for a copy, which no record tells, or for a
 * commit. What somebody has paused stays so.
 */
async function letGoOn(deps: Deps, record: ContainerRecord, task: Task): Promise<void> {
  const { state } = record;
  if (!isRunning(state) || (state.status === 'paused' && !state.forCommit)) return;
  await task.resume();
  if (state.status === 'running') return;
  const { pid, startedAt } = state;
  await deps.store.put(
    { ...record, state: { status: 'running', pid, startedAt } },
    { durable: false },
  );
}

async function find(deps: Deps, record: ContainerRecord): Promise<Found> {
  const pid = isRunning(record.state) ? record.state.pid : 0;
  // The other container may be gone; the process itself is in the namespace that it joined.
  const join = (): number => pid;
  const source = sourceOf(record, deps.settings);
  const box = makeBox(record, {
    settings: deps.settings,
    ...planNamespaces(record, {
      cgroupVersion: deps.settings.cgroupVersion,
      join,
      network: networkNamespace(source, { path: `/proc/${pid}/ns/net`, join }),
    }),
    env: [],
    // Devices matter only to the first process, which has them.
    devices: [],
    root: deps.snapshots.root(record.id),
    ...cgroupOf(deps, record.spec.host, 'skip'),
    directory: deps.store.directory(record.id),
    filesOf: deps.store.directory(record.id),
    isFile: () => false,
    layersOf: () => [],
  });
  return deps.runtime.find(box, runDirectoryOf(deps.settings, record.id));
}

/** Everything that an id may have left anywhere. */
async function sweep(deps: Deps, id: string): Promise<void> {
  await sweepRun(deps, id);
  await deps.snapshots.remove(id);
  await deps.store.remove(id, { durable: false });
}

async function removeOrphans(deps: Deps): Promise<void> {
  const known = new Set(deps.store.list().map((record) => record.id as string));
  for (const problem of deps.store.problems) known.add(problem.id);
  for (const id of deps.snapshots.list()) {
    if (!isFullId(id) || known.has(id)) continue;
    await quietly(deps, `remove the leftovers of ${id}`, () => sweep(deps, id));
  }
  const runNames = new Set([...known].map(runNameOf));
  for (const name of await readdir(deps.settings.runDirectory)) {
    if (runNames.has(name)) continue;
    const directory = join(deps.settings.runDirectory, name);
    if (isTrash(name)) {
      void deps.trash.sweep(directory);
      continue;
    }
    await quietly(deps, `remove the run directory ${name}`, () =>
      deps.runtime.sweep({ parent: deps.settings.cgroupParent, name }, directory),
    );
  }
  // A container whose record cannot be read may run: it is left alone.
  const running = [
    ...deps.store.list().filter((record) => isRunning(record.state)),
    ...deps.store.problems,
  ];
  await quietly(deps, 'remove cgroups that nobody knows', () =>
    deps.runtime.removeOrphanCgroups(new Set(running.map((record) => record.id))),
  );
}

/** Starts what its restart policy wants running; those that join others come after them. */
export async function startAtBoot(deps: Deps): Promise<void> {
  const due = deps.store.list().filter((record) => isDue(record));
  const [first, later] = [due.filter((record) => !joins(record)), due.filter(joins)];
  for (const group of [first, later]) {
    await inParallel(group, START_CONCURRENCY_MAX, (record) =>
      quietly(deps, `start container ${record.id}`, async () => {
        using _lock = await deps.locks.acquire(record.id);
        const now = deps.store.find(record.id);
        if (now === undefined || !isDue(now)) return;
        await startLocked(deps, { ...now, manuallyStopped: false });
      }),
    );
  }
}

function isDue(record: ContainerRecord): boolean {
  if (record.state.status !== 'exited') return false;
  return shouldStartAtBoot(record.spec.host.restartPolicy, {
    exitCode: record.state.exit.exitCode,
    restartCount: record.restartCount,
    manuallyStopped: record.manuallyStopped,
    hasRun: record.hasRun,
  });
}

function joins(record: ContainerRecord): boolean {
  const { networkMode, pidMode, ipcMode } = record.spec.host;
  return [networkMode, pidMode, ipcMode].some((mode) => mode.startsWith('container:'));
}

async function quietly(deps: Deps, what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    deps.report(what, error);
  }
}

async function inParallel<T>(
  items: readonly T[],
  limit: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
