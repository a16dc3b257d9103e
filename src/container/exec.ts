// exec: one more process in a running container. An exec is kept a while after its end, so that a
// client can ask for its exit code.
import type { Duplex } from 'node:stream';
import { EngineError, messageOf } from '#base/error.ts';
import { newId } from '#base/id.ts';
import { AttachStream } from './attach-stream.ts';
import type { Deps } from './deps.ts';
import { DetachScanner, parseDetachKeys } from './detach-keys.ts';
import type { AttachSession, ExecSpec, ExecView } from './engine.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import { linkVariables } from './link.ts';
import { mergeEnv, processEnv } from './merge.ts';
import { onTask, taskOf } from './pause.ts';
import type { ExecTask, Size } from './port.ts';
import type { ContainerRecord } from './record.ts';
import { checkSize } from './resize.ts';
import { startExitCode } from './start.ts';

/** As long as Docker keeps them (daemon/exec.go, execCommandGC). */
const EXEC_KEEP_MS = 5 * 60_000;
export const EXECS_PER_CONTAINER_MAX = 4096;
/** An exec resize may come right before the process is up. */
const EXEC_READY_WAIT_MS = 10_000;
const EXIT_LOST = 137;
/** Docker's code for an exec that cannot be made. */
const EXIT_NOT_EXECUTABLE = 126;

/** Executions by id; inspect and start name nothing but the id. */
export class Execs {
  readonly #execs = new Map<string, Exec>();

  add(exec: Exec): void {
    this.#execs.set(exec.id, exec);
  }

  get(id: string): Exec {
    const exec = this.#execs.get(id);
    if (exec === undefined) throw new EngineError('not_found', `No such exec instance: ${id}`);
    return exec;
  }

  delete(id: string): void {
    this.#execs.delete(id);
  }
}

export class Exec {
  readonly id = newId();
  readonly containerId: string;
  readonly spec: ExecSpec;
  readonly started = Promise.withResolvers<void>();
  readonly ended = Promise.withResolvers<void>();
  status: 'created' | 'running' | 'ended' = 'created';
  exitCode: number | null = null;
  pid = 0;
  readonly #onEnd: (exec: Exec, exitCode: number | undefined) => void;

  /** `onEnd`: without an exit code when its container ended before anybody started it. */
  constructor(
    containerId: string,
    spec: ExecSpec,
    onEnd: (exec: Exec, exitCode: number | undefined) => void,
  ) {
    this.containerId = containerId;
    this.spec = spec;
    this.#onEnd = onEnd;
    // Nobody may be waiting when a start fails.
    this.started.promise.catch(() => {});
  }

  end(exitCode: number): void {
    if (this.status === 'ended') return;
    this.status = 'ended';
    this.exitCode = exitCode;
    this.#onEnd(this, exitCode);
    this.ended.resolve();
  }

  /**
   * The kernel ends all processes of a PID namespace with its first one. One that is still being
   * made fails by itself.
   */
  containerEnded(): void {
    if (this.status === 'created') {
      this.status = 'ended';
      this.#onEnd(this, undefined);
    }
    if (this.status === 'running' && this.pid !== 0) this.end(EXIT_LOST);
  }

  view(): ExecView {
    return {
      id: this.id,
      containerId: this.containerId,
      spec: this.spec,
      running: this.status === 'running',
      exitCode: this.exitCode,
      pid: this.pid,
    };
  }
}

type ExecDeps = Deps & { readonly execs: Execs };

export async function execCreate(deps: ExecDeps, ref: string, spec: ExecSpec): Promise<string> {
  const { id } = deps.store.get(ref);
  await deps.lives.of(id).starting;
  const record = deps.store.get(id);
  guard(record, 'exec', ref);
  if (spec.cmd.length === 0) throw new EngineError('invalid_argument', 'No exec command specified');
  if (spec.cmd.some((word) => word.includes('\0'))) {
    throw new EngineError('invalid_argument', 'invalid command: it contains a NUL');
  }
  parseDetachKeys(spec.detachKeys);
  const live = deps.lives.of(record.id);
  if (live.execs.size >= EXECS_PER_CONTAINER_MAX) {
    throw new EngineError('limit_exceeded', `more than ${EXECS_PER_CONTAINER_MAX} execs`);
  }
  const exec = new Exec(record.id, spec, (one, exitCode) => {
    live.execs.delete(one.id);
    ended(deps, record, one, exitCode);
  });
  live.execs.set(exec.id, exec);
  deps.execs.add(exec);
  publish(deps, record, `exec_create: ${commandLine(spec.cmd)}`, { execID: exec.id });
  return exec.id;
}

export type ExecStartOptions = {
  readonly detach: boolean;
  readonly consoleSize: readonly [number, number] | undefined;
};

export async function execStart(
  deps: ExecDeps,
  id: string,
  options: ExecStartOptions,
  signal: AbortSignal,
): Promise<AttachSession | undefined> {
  const exec = deps.execs.get(id);
  const record = deps.store.get(exec.containerId);
  if (exec.status === 'ended') {
    throw new EngineError('conflict', `exec command ${id} has already run`);
  }
  if (exec.status === 'running') {
    throw new EngineError('conflict', `exec command ${id} is already running`);
  }
  guard(record, 'exec', record.id);
  exec.status = 'running';
  const { spec } = exec;
  publish(deps, record, `exec_start: ${commandLine(spec.cmd)}`, { execID: id });
  const task = await launch(deps, record, exec, options);
  exec.pid = task.pid;
  exec.started.resolve();
  task.exit.then(
    ({ exitCode }) => exec.end(exitCode),
    () => exec.end(EXIT_LOST),
  );
  return serve(deps, record, exec, task.stream, options, signal);
}

/** As Docker writes it in an event: a space follows the program even when nothing else does. */
function commandLine([program = '', ...args]: readonly string[]): string {
  return `${program} ${args.join(' ')}`;
}

async function launch(
  deps: ExecDeps,
  record: ContainerRecord,
  exec: Exec,
  options: ExecStartOptions,
): Promise<ExecTask> {
  const { spec } = exec;
  const [height = 0, width = 0] = options.consoleSize ?? spec.consoleSize ?? [];
  const { hostname } = record.merged;
  const cwd = spec.workingDir || record.merged.workingDir || '/';
  try {
    const links = linkVariables(deps, record);
    const env = processEnv(record.merged, { hostname, tty: spec.tty, links });
    if (!cwd.startsWith('/')) throw relativeCwd();
    return await onTask(deps, record.id, (task) =>
      task.exec(
        exec.id,
        {
          argv: spec.cmd,
          env: mergeEnv(env, spec.env),
          cwd,
          user: spec.user || record.merged.user,
          groups: spec.user === '' ? record.spec.host.groupAdd : [],
          privileged: spec.privileged,
          stdio: { tty: spec.tty, stdin: spec.attachStdin ? 'once' : 'none' },
          consoleSize: height === 0 && width === 0 ? undefined : { height, width },
        },
        {
          stdin: spec.attachStdin && !options.detach,
          stdout: spec.attachStdout && !options.detach,
          stderr: spec.attachStderr && !options.detach,
        },
      ),
    );
  } catch (error) {
    exec.started.reject(error);
    exec.end(startExitCode(error));
    throw error;
  }
}

/** In the words of runc, which dockerd leaves it to. */
function relativeCwd(): EngineError {
  return new EngineError(
    'invalid_argument',
    'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown',
    { facts: { exitCode: EXIT_NOT_EXECUTABLE } },
  );
}

function serve(
  deps: ExecDeps,
  record: ContainerRecord,
  exec: Exec,
  inner: Duplex,
  options: ExecStartOptions,
  signal: AbortSignal,
): AttachSession | undefined {
  const { spec } = exec;
  if (options.detach) {
    inner.on('error', (error) =>
      deps.report(`the streams of the detached exec ${exec.id}`, messageOf(error)),
    );
    // Half-open: the end of the process closes only its side.
    inner.once('end', () => inner.destroy());
    inner.resume();
    return undefined;
  }
  const stream = new AttachStream({
    streams: { stdin: spec.attachStdin, stdout: spec.attachStdout, stderr: spec.attachStderr },
    scanner: spec.tty ? new DetachScanner(parseDetachKeys(spec.detachKeys)) : undefined,
    onDetach: () => publish(deps, record, 'exec_detach', { execID: exec.id }),
  });
  const abort = (): unknown => stream.destroy();
  // It may have come while the process was made; output that nobody reads would hold that up.
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  // Health checks have one signal for all probes of a run: it must not keep their streams.
  stream.once('close', () => signal.removeEventListener('abort', abort));
  // The exit comes by another connection than the output, and may be behind it.
  stream.connect(inner, exec.ended.promise);
  return { stream, tty: spec.tty };
}

function ended(
  deps: ExecDeps,
  record: ContainerRecord,
  exec: Exec,
  exitCode: number | undefined,
): void {
  // As dockerd, which forgets what was not started.
  if (exitCode === undefined) return deps.execs.delete(exec.id);
  // What never ran does not die: dockerd has no event for a start that failed.
  if (exec.pid !== 0) {
    publish(deps, deps.store.find(record.id) ?? record, 'exec_die', {
      execID: exec.id,
      exitCode: String(exitCode),
    });
  }
  setTimeout(() => deps.execs.delete(exec.id), EXEC_KEEP_MS).unref();
}

export async function execResize(deps: ExecDeps, id: string, size: Size): Promise<void> {
  const exec = deps.execs.get(id);
  checkSize(size);
  if (exec.status === 'created') {
    throw new EngineError('invalid_argument', 'exec process is not started');
  }
  const timeout = AbortSignal.timeout(EXEC_READY_WAIT_MS);
  const late = new Promise<never>((_, reject) =>
    timeout.addEventListener('abort', () =>
      reject(new EngineError('unavailable', 'timeout waiting for exec session ready')),
    ),
  );
  await Promise.race([exec.started.promise, late]);
  // As of a container: nothing to size is no mistake.
  if (exec.status === 'ended' || !exec.spec.tty) return;
  await taskOf(deps, exec.containerId).resize(id, size);
}
