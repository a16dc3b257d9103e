// What a new daemon does before it serves: reads the records, takes over what still runs, settles what
// ended meanwhile, completes what was cut short, and removes what nobody knows. One container that
// cannot be recovered is reported and never keeps the others, or the daemon, from starting.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFullId } from '#base/id.ts';
import type { TaskExit } from '#runtime/task.ts';
import type { Deps } from './deps.ts';
import { settleExit, unseen, watchExit } from './exit.ts';
import { isRunning } from './guard.ts';
import type { ContainerRecord } from './record.ts';
import { removeLocked } from './remove.ts';
import { shouldStartAtBoot } from './restart-policy.ts';
import { startLocked } from './start.ts';

const RECOVER_CONCURRENCY_MAX = 16;
const START_CONCURRENCY_MAX = 4;

export async function recover(deps: Deps): Promise<void> {
  await mkdir(deps.settings.runDirectory, { recursive: true, mode: 0o700 });
  const halfMade = await deps.store.load();
  await inParallel(deps.store.list(), RECOVER_CONCURRENCY_MAX, (record) =>
    quietly(deps, `recover container ${record.id}`, () => recoverOne(deps, record.id)),
  );
  for (const id of halfMade) {
    await quietly(deps, `remove the half-made container ${id}`, () => sweep(deps, id));
  }
  await removeOrphans(deps);
}

async function recoverOne(deps: Deps, id: string): Promise<void> {
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  if (isRunning(record.state)) return takeOver(deps, record);
  await reapRunDirectory(deps, id);
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

async function takeOver(deps: Deps, record: ContainerRecord): Promise<void> {
  const { task } = record;
  if (task === undefined) return settleExit(deps, record, unseen());
  const found = await deps.runtime.reconnect(task).catch(async (error: unknown) => {
    deps.report(`reconnect to container ${record.id}`, error);
    await deps.runtime.reap(task.directory);
    await deps.runtime.cleanUp(task);
    return { status: 'lost' } as const;
  });
  switch (found.status) {
    case 'running':
      deps.lives.of(record.id).task = found.task;
      watchExit(deps, record.id, found.task);
      return;
    case 'exited':
      return settle(deps, record, found.exit);
    case 'lost':
      return settle(deps, record, unseen());
    case 'never_started':
      return takeBackStart(deps, record);
    default:
      return found satisfies never;
  }
}

async function settle(deps: Deps, record: ContainerRecord, exit: TaskExit): Promise<void> {
  await settleExit(deps, record, exit);
  await reapRunDirectory(deps, record.id);
}

/** The daemon died between "made" and "go": the user's program never ran. */
async function takeBackStart(deps: Deps, record: ContainerRecord): Promise<void> {
  await reapRunDirectory(deps, record.id);
  const before: ContainerRecord = {
    ...record,
    state: record.beforeStart ?? { status: 'created' },
    task: undefined,
    beforeStart: undefined,
  };
  if (record.spec.host.autoRemove) return removeLocked(deps, before, { volumes: true });
  await deps.store.put(before, { durable: true });
}

async function reapRunDirectory(deps: Deps, id: string): Promise<void> {
  const directory = join(deps.settings.runDirectory, id);
  await deps.runtime.reap(directory);
  await rm(directory, { recursive: true, force: true });
}

/** Everything that an id may have left anywhere. */
async function sweep(deps: Deps, id: string): Promise<void> {
  await reapRunDirectory(deps, id);
  await deps.snapshots.remove(id);
  await deps.store.remove(id, { durable: false });
}

async function removeOrphans(deps: Deps): Promise<void> {
  const known = new Set(deps.store.list().map((record) => record.id as string));
  for (const problem of deps.store.problems) known.add(problem.id);
  const running = await readdir(deps.settings.runDirectory);
  const orphans = [...deps.snapshots.list(), ...running].filter(
    (id) => isFullId(id) && !known.has(id),
  );
  for (const id of new Set(orphans)) {
    await quietly(deps, `remove the leftovers of ${id}`, () => sweep(deps, id));
  }
  await quietly(deps, 'remove cgroups that nobody knows', () =>
    deps.runtime.removeOrphanCgroups(known),
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
