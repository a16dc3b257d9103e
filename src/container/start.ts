// start: make the process, store that it runs, connect who is attached, let it go.
// The order is what makes kill -9 of the daemon harmless: a monitor whose daemon goes away before
// "go" ends the process itself; one that was told "go" is found again through the stored state.
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '#base/clock.ts';
import { EngineError, isEngineError, messageOf } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import type { AttachStream } from './attach-stream.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { watchExit } from './exit.ts';
import { guard } from './guard.ts';
import { KILL_WAIT_MS } from './kill.ts';
import { tellLinked } from './link.ts';
import type { Live } from './live.ts';
import { type Made, make, type MakeOptions } from './make.ts';
import { tellPlainNetworks } from './network.ts';
import type { Task } from './port.ts';
import { putFact } from './put-fact.ts';
import type { ContainerRecord } from './record.ts';
import { removeLocked } from './remove.ts';
import { SIGKILL } from './signal.ts';
import type { Pid } from './state.ts';

export async function start(deps: Deps, ref: string): Promise<void> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquireForStart(id);
  const record = deps.store.get(id);
  guard(record, 'start', ref);
  await startLocked(deps, { ...record, restartCount: 0, manuallyStopped: false });
}

/** The caller holds the lock and knows that the state allows a start. */
export async function startLocked(deps: Deps, record: ContainerRecord): Promise<void> {
  const live = deps.lives.of(record.id);
  live.cancelRestart();
  live.cutVisitsOfRoot('the container was started again'); // that of its last run
  if (live.removing > 0) {
    throw new EngineError('conflict', 'container is marked for removal and cannot be started');
  }
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  live.starting = over;
  try {
    const running = await run(deps, record, live);
    tellPlainNetworks(deps, running, 'connect');
    publish(deps, running, 'start');
  } catch (error) {
    await failed(deps, record, live, error);
    throw error;
  } finally {
    live.starting = undefined;
    end();
  }
}

async function run(deps: Deps, stored: ContainerRecord, live: Live): Promise<ContainerRecord> {
  const ahead = await live.ahead?.take(stored);
  await using undo = ahead?.undo ?? new Undo(deps.report);
  let early: Promise<void> | undefined;
  const onAttachable = (attach: Task['attach']): void => {
    // Too early: then below.
    early = connect(live, ({ streams }) => attach(streams)).catch(() => {});
  };
  const { record, task } =
    ahead?.made ?? (await makeNow(deps, stored, undo, { hidden: false, onAttachable }));
  if (ahead !== undefined) {
    deps.networks.show(record.id);
    early = connect(live, ahead.attach).catch(() => {});
  }
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
  undo.add('store the state before', () => deps.store.put(before, { durable: false }));
  // Not durable: after a power cut there is no process, whatever the record says.
  const put = (): Promise<void> => deps.store.put(running, { durable: false });
  const { autoRemove } = record.spec.host;
  if (!autoRemove) await put();
  await early;
  await connect(live, ({ streams }) => task.attach(streams));
  undo.add('end the process', () => endUntold(task));
  const going = task.go();
  going.catch(() => {}); // awaited below
  // Written while it begins: should the daemon end just here, the next one ends a process of which
  // nobody was told that it runs, and its container would have kept nothing.
  if (autoRemove) await put();
  await going;
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

/** It may run already, and of a start that fails nobody is told that. */
async function endUntold(task: Task): Promise<void> {
  await task.signal('', SIGKILL).catch(() => {}); // it has ended: its program was not found, say
  const late = sleep(KILL_WAIT_MS, undefined, { ref: false });
  await Promise.race([task.exited, task.lost, late]);
}

/** What launches ahead hold, say the last address, is no reason for another start to fail. */
async function makeNow(
  deps: Deps,
  stored: ContainerRecord,
  undo: Undo,
  options: MakeOptions,
): Promise<Made> {
  try {
    return await make(deps, stored, undo, options);
  } catch (error) {
    if (!(await deps.lives.cancelAheads())) throw error;
    await undo[Symbol.asyncDispose]();
    return make(deps, stored, undo, options);
  }
}

/** Attached clients get their streams before the first byte can be written. */
async function connect(
  live: Live,
  attach: (attachment: AttachStream) => Promise<Duplex>,
): Promise<void> {
  for (const attachment of live.attachments) {
    if (attachment.destroyed || attachment.connected) continue;
    attachment.connect(await attach(attachment));
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
  await putFact(deps, after);
  live.exited.tell({ statusCode: startError.exitCode, error: startError.message });
  try {
    if (record.spec.host.autoRemove) await removeLocked(deps, after, { volumes: true });
  } catch (problem) {
    deps.report(`clean up after the failed start of ${record.id}`, problem);
  }
}
