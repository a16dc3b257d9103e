// The end of a container's process: the record, the events, then the restart policy or --rm.
import { basename } from 'node:path';
import { now } from '#base/clock.ts';
import type { OomVictim } from '#runtime/oom.ts';
import { keepTrace } from '#runtime/trace.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { isRunning } from './guard.ts';
import { runDirectoryOf } from './make-box.ts';
import { keepNetworkAccount } from './network-account.ts';
import { tellPlainNetworks } from './network.ts';
import { tellOom } from './oom.ts';
import type { Task, TaskExit } from './port.ts';
import { putFact } from './put-fact.ts';
import type { ContainerRecord } from './record.ts';
import { removeLocked } from './remove.ts';
import { nextDelayMs, shouldRestart } from './restart-policy.ts';
import { startLocked } from './start.ts';
import type { ExitFacts } from './state.ts';
import { releaseVolumes } from './volumes.ts';

/** How a process ended that nobody saw end: Docker's code for the unknown. */
const EXIT_UNSEEN = 255;
const SIGKILL = 9;

/** From now on the end of this task is handled, whoever waits for it or not. */
export function watchExit(deps: Deps, id: string, task: Task): void {
  const lost = task.lost.then(async (): Promise<TaskExit> => {
    await sweepRun(deps, id);
    return unseen();
  });
  Promise.race([task.exited, lost])
    .then((exit) => onExit(deps, id, task, exit))
    .catch((error: unknown) => deps.report(`handle the exit of container ${id}`, error));
}

export function unseen(): TaskExit {
  const finishedAt = now();
  return { exitCode: EXIT_UNSEEN, signal: 0, finishedAt, oomKilled: false, oomKills: 0 };
}

/** Everything that the kernel and the run directory may still hold of a container. */
export async function sweepRun(deps: Deps, id: string): Promise<void> {
  const host = deps.store.find(id)?.spec.host;
  const { cgroupParent, cgroupName } = deps.settings;
  const parent = host === undefined ? cgroupParent : deps.slices.place(host).parent;
  const cgroup = { parent, name: cgroupName(id) };
  await deps.runtime.sweep(cgroup, runDirectoryOf(deps.settings, id));
}

async function onExit(deps: Deps, id: string, task: Task, exit: TaskExit): Promise<void> {
  using _lock = await deps.locks.acquire(id);
  const live = deps.lives.of(id);
  // A daemon that is going down closes its tasks; the next one will see the exit.
  if (live.task !== task) return;
  live.task = undefined;
  await task.close();
  const record = deps.store.find(id);
  if (record === undefined || !isRunning(record.state)) return;
  await settleExit(deps, record, exit);
}

/** The caller holds the lock; the record says running or paused, and the process is gone. */
export async function settleExit(
  deps: Deps,
  record: ContainerRecord,
  exit: TaskExit,
): Promise<void> {
  if (!isRunning(record.state)) return;
  const live = deps.lives.of(record.id);
  const { startedAt } = record.state;
  const facts: ExitFacts = {
    exitCode: exit.exitCode,
    oomKilled: exit.oomKilled,
    error: '',
    finishedAt: exit.finishedAt,
  };
  const { host } = record.spec;
  const restart =
    live.held === 0 &&
    shouldRestart(host.restartPolicy, {
      exitCode: exit.exitCode,
      restartCount: record.restartCount,
      manuallyStopped: record.manuallyStopped,
    });
  const after: ContainerRecord = {
    ...record,
    restartCount: restart ? record.restartCount + 1 : record.restartCount,
    state: { status: restart ? 'restarting' : 'exited', exit: facts, startedAt },
    finishedAt: exit.finishedAt,
  };
  // With --rm nobody reads it any more: after a crash the monitor's exit file tells, and the
  // container goes. Else the reply does not wait for the disk; a power cut in the moments until the
  // record is durable shows the container as ended in a way that nobody saw.
  if (host.autoRemove) {
    deps.store.replace(after);
  } else {
    await putFact(deps, after);
    deps.store.makeDurable(record.id);
  }
  tellOom(deps, after, exit.oomKills, victimOf(record, exit));
  live.oomKills = 0;
  const ranMs = Number((exit.finishedAt - startedAt) / 1_000_000n);
  publish(deps, after, 'die', {
    exitCode: String(exit.exitCode),
    execDuration: String(Math.max(0, Math.floor(ranMs / 1000))),
  });
  if (!host.autoRemove) keepNetworkAccount(deps, record);
  // Before anybody is told: who starts the next container wants the ports of this one.
  await closeNetwork(deps, record.id);
  await releaseVolumes(deps, record);
  tellPlainNetworks(deps, record, 'disconnect');
  for (const exec of live.execs.values()) exec.containerEnded();
  live.attachments.clear();
  live.exited.tell({ statusCode: exit.exitCode, error: undefined });
  // For `explain`: the next daemon takes the run directory of what does not run away.
  if (!host.autoRemove) keepAccount(deps, record.id);
  if (restart) scheduleRestart(deps, after, ranMs);
  else if (host.autoRemove && live.held === 0) {
    await removeLocked(deps, after, { volumes: true });
  }
}

/** The first process itself, if it was killed. */
function victimOf({ state, merged }: ContainerRecord, exit: TaskExit): OomVictim | undefined {
  if (!isRunning(state) || exit.signal !== SIGKILL) return undefined;
  return { pid: state.pid, name: basename(merged.path), anonBytes: 0, cgroup: '' };
}

function keepAccount(deps: Deps, id: string): void {
  try {
    keepTrace(runDirectoryOf(deps.settings, id), deps.store.directory(id));
  } catch (error) {
    deps.report(`keep the account of container ${id}`, error);
  }
}

/**
 * What stays behind is reported, and taken away at the next start of the container or the daemon.
 */
async function closeNetwork(deps: Deps, id: string): Promise<void> {
  try {
    await deps.networks.close(id);
  } catch (error) {
    deps.report(`close the network of container ${id}`, error);
  }
}

function scheduleRestart(deps: Deps, record: ContainerRecord, ranMs: number): void {
  const live = deps.lives.of(record.id);
  live.restartDelayMs = nextDelayMs(live.restartDelayMs, ranMs);
  live.restartTimer = setTimeout(() => {
    restartNow(deps, record.id).catch((error: unknown) =>
      deps.report(`restart container ${record.id}`, error),
    );
  }, live.restartDelayMs);
}

/** The back-off is over; stop or remove may have come first. */
async function restartNow(deps: Deps, id: string): Promise<void> {
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.find(id);
  if (record?.state.status !== 'restarting' || deps.lives.of(id).removing > 0) return;
  await startLocked(deps, record);
}
