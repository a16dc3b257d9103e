// An engine of our own on private paths below one temporary folder, for the demonstration, the
// benchmark and the stress tests: the built bundle, own socket and roots, and a network namespace
// that stands for the host, so that an installed engine or a Docker is not touched. Given the
// folder of an earlier one, it goes on with its state.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { atExit } from './at-exit.ts';
import { unmountBelow } from './mounts.ts';
import { ROOT } from './source.ts';

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 2;
const LOG_BYTES_MAX = 64 * 1024;
const CGROUP_MOUNTS = '/sys/fs/cgroup';
const PREFIX = 'coracle-';
const PID_FILE = 'coracle.pid';
/** The file that says whose the folder is. */
const OWNER = 'owner';
/** This boot and this pid namespace. */
const HERE = `${contentOf('/proc/sys/kernel/random/boot_id')}/${readlinkSync('/proc/self/ns/pid')}`;
const OUR_NAME = nameOf(process.pid);
const held = new Map<string, Disposable>();

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

/** A folder for an engine, which goes when this process ends, if nobody removed it before. */
export function makeEngineDirectory(): string {
  sweep();
  const directory = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(directory, OWNER), OUR_NAME);
  held.set(
    directory,
    atExit(() => clear(directory)),
  );
  return directory;
}

/** Removes what a stopped engine leaves on purpose: files, cgroup parent, network namespace. */
export function removeEngineDirectory(directory: string): void {
  const left = clear(directory);
  held.get(directory)?.[Symbol.dispose]();
  held.delete(directory);
  if (left.length > 0) throw new Error(`the engine in ${directory} left ${left.join(', ')}`);
}

/**
 * Ends and removes all of an engine; answers what should have been gone by then. What monitors take
 * away themselves meanwhile, when their containers end, is looked for again.
 */
function clear(directory: string): readonly string[] {
  const left = new Set<string>();
  const deadline = performance.now() + STOP_MS_MAX;
  while (existsSync(directory)) {
    try {
      for (const pid of endProcesses(directory)) left.add(`process ${pid}`);
      for (const path of unmountBelow(directory)) {
        if (path !== namespaceOf(directory)) left.add(`mount ${path}`);
      }
      for (const path of cgroupsOf(directory).toReversed()) rmdirSync(path);
      rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      if (performance.now() > deadline) throw error;
      pause();
    }
  }
  return [...left];
}

/** At the exit of this process nothing can be awaited. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
}

/** Kills the daemon and all that is in its cgroups; answers whom. */
function endProcesses(directory: string): readonly number[] {
  const ended = new Set<number>();
  const deadline = performance.now() + STOP_MS_MAX;
  for (;;) {
    const pids = processesOf(directory);
    if (pids.length === 0 || performance.now() > deadline) return [...ended];
    for (const pid of pids) {
      ended.add(pid);
      process.kill(pid, 'SIGKILL');
    }
    pause();
  }
}

function processesOf(directory: string): readonly number[] {
  const inCgroups = cgroupsOf(directory).flatMap((path) => {
    // What is frozen does not die on cgroup v1.
    const freezer = join(path, 'freezer.state');
    if (existsSync(freezer)) writeFileSync(freezer, 'THAWED');
    return readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  });
  const daemon = Number(contentOf(join(directory, PID_FILE)));
  const isDaemon = daemon > 0 && contentOf(`/proc/${daemon}/cmdline`).includes(`\0${directory}/`);
  return [...new Set([...inCgroups, ...(isDaemon ? [daemon] : [])])];
}

/** Empty when there is no such file. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Removes the folders whose process was killed before it could. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const directory = join(tmpdir(), name);
    const owner = name.startsWith(PREFIX) ? contentOf(join(directory, OWNER)) : '';
    const [here, pid = ''] = owner.split(' ');
    // One of another machine or pid namespace that has this folder too cannot be looked for.
    if (here !== HERE || nameOf(Number(pid)) === owner) continue;
    try {
      writeFileSync(join(directory, OWNER), OUR_NAME);
      clear(directory);
    } catch (error) {
      process.stderr.write(`cannot remove ${directory}, ignoring: ${String(error)}\n`);
    }
  }
}

/** A process by its pid and the time of its start, since pids come again (proc_pid_stat(5)). */
function nameOf(pid: number): string {
  const stat = contentOf(`/proc/${pid}/stat`);
  return `${HERE} ${pid} ${stat.slice(stat.lastIndexOf(')')).split(' ')[20] ?? ''}`;
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

/** The engine's cgroup in each hierarchy, and every cgroup below it, parents first. */
export function cgroupsOf(directory: string): readonly string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    if (!existsSync(path)) return;
    found.push(path);
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) walk(join(path, entry.name));
    }
  };
  walk(CGROUP_MOUNTS + cgroupParent(directory));
  for (const entry of readdirSync(CGROUP_MOUNTS, { withFileTypes: true })) {
    if (entry.isDirectory()) walk(join(CGROUP_MOUNTS, entry.name) + cgroupParent(directory));
  }
  return [...new Set(found)];
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
