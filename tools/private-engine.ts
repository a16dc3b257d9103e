// An engine of our own on private paths below one temporary folder, for the demonstration, the
// benchmark and the stress tests: the built bundle, own socket and roots, and a network namespace
// that stands for the host, so that an installed engine or a Docker is not touched. Given the
// folder of an earlier one, it goes on with its state.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeScratch, PID_FILE, removeScratch } from './scratch.ts';
import { ROOT } from './source.ts';

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 2;
const LOG_BYTES_MAX = 64 * 1024;

export type PrivateEngine = AsyncDisposable & {
  readonly directory: string;
  readonly socket: string;
  readonly host: string;
  readonly pid: number;
  readonly cgroupParent: string;
  /** Path of the network namespace that is its host: bridges and rules are looked at there. */
  readonly namespace: string;
  /** From the spawn to the line "listening on". */
  readonly startMs: number;
  /** The environment that points `coracle` and `docker` at this engine. */
  readonly env: NodeJS.ProcessEnv;
  /** The end of what the daemon wrote. */
  log(): string;
  /** Ends the daemon and leaves everything else as it is. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
};

export function makeEngineDirectory(): string {
  return makeScratch();
}

/** Removes what a stopped engine leaves on purpose: files, cgroup parent, network namespace. */
export function removeEngineDirectory(directory: string): void {
  const namespace = `mount ${namespaceOf(directory)}`;
  const left = removeScratch(directory).filter((what) => what !== namespace);
  if (left.length > 0) throw new Error(`the engine in ${directory} left ${left.join(', ')}`);
}

function namespaceOf(directory: string): string {
  return join(directory, 'netns');
}

/** It outlives the daemon, as the host's outlives one. */
function pinNamespace(directory: string): string {
  const path = namespaceOf(directory);
  if (existsSync(path)) return path;
  writeFileSync(path, '');
  execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up']);
  return path;
}

function cgroupParent(directory: string): string {
  return `/${basename(directory)}`;
}

function spawnDaemon(directory: string, host: string, flags: readonly string[]): ChildProcess {
  const argv = [
    `--net=${pinNamespace(directory)}`,
    join(ROOT, 'bin/coracle'),
    'daemon',
    '-H',
    host,
    '--data-root',
    join(directory, 'data'),
    '--exec-root',
    join(directory, 'run'),
    '--pidfile',
    join(directory, PID_FILE),
    '--cgroup-parent',
    cgroupParent(directory),
    ...flags,
  ];
  return spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
}

export async function startEngine(
  options: { readonly directory?: string; readonly flags?: readonly string[] } = {},
): Promise<PrivateEngine> {
  const directory = options.directory ?? makeEngineDirectory();
  const socket = join(directory, 'coracle.sock');
  const host = `unix://${socket}`;
  const startedAt = performance.now();
  const child = spawnDaemon(directory, host, options.flags ?? []);
  const dispose = async (): Promise<void> => {
    await end(child, 'SIGTERM');
    if (options.directory === undefined) removeEngineDirectory(directory);
  };
  let text = '';
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-LOG_BYTES_MAX);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  while (!/^listening on /m.test(text)) {
    if (child.exitCode !== null || performance.now() - startedAt > START_MS_MAX) {
      await dispose();
      throw new Error(`the engine did not start:\n${text}`);
    }
    await sleep(POLL_MS);
  }
  return {
    directory,
    socket,
    host,
    pid: child.pid ?? 0,
    cgroupParent: cgroupParent(directory),
    namespace: namespaceOf(directory),
    startMs: performance.now() - startedAt,
    env: { ...process.env, DOCKER_HOST: host, CORACLE_HOST: host },
    log: () => text,
    kill: (signal) => end(child, signal),
    [Symbol.asyncDispose]: dispose,
  };
}

async function end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit', { signal: AbortSignal.timeout(STOP_MS_MAX) });
  child.kill(signal);
  await gone.catch(() => child.kill('SIGKILL'));
}
