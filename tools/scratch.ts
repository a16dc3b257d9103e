// Temporary folders of tests and tools, with all that is called by them: mounts below, cgroups of
// their name, and the daemon whose pid is in them. They go when their process ends, however; what
// one that was killed left goes with the next folder that anybody makes.
import { execFileSync } from 'node:child_process';
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
import { atExit } from './at-exit.ts';

const CLEAR_MS_MAX = 20_000;
const RELEASE_MS_MAX = 1_000;
const POLL_MS = 2;
const CGROUP_MOUNTS = '/sys/fs/cgroup';
const PREFIX = 'coracle-';
/** Of a daemon that works in the folder. */
export const PID_FILE = 'coracle.pid';
/** The file that says whose the folder is. */
const OWNER = 'owner';
/** This boot and this pid namespace. */
const HERE = `${contentOf('/proc/sys/kernel/random/boot_id')}/${readlinkSync('/proc/self/ns/pid')}`;
const OUR_NAME = nameOf(process.pid);
const held = new Map<string, Disposable>();

export function makeScratch(kind = ''): string {
  sweep();
  const directory = mkdtempSync(join(tmpdir(), `${PREFIX}${kind}`));
  writeFileSync(join(directory, OWNER), OUR_NAME);
  held.set(
    directory,
    atExit(() => clear(directory)),
  );
  return directory;
}

/** Removes the folder and all that is called by it; answers what was still running or mounted. */
export function removeScratch(directory: string): readonly string[] {
  const left = clear(directory);
  held.get(directory)?.[Symbol.dispose]();
  held.delete(directory);
  return left;
}

/** What monitors take away themselves meanwhile, when containers end, is looked for again. */
function clear(directory: string): readonly string[] {
  const left = new Set<string>();
  const deadline = performance.now() + CLEAR_MS_MAX;
  while (existsSync(directory)) {
    try {
      for (const pid of endProcesses(directory)) left.add(`process ${pid}`);
      for (const path of cgroupsOf(directory).toReversed()) rmdirSync(path);
      for (const path of unmountBelow(directory)) left.add(`mount ${path}`);
      rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      if (performance.now() > deadline) throw error;
      pause();
    }
  }
  return [...left];
}

function unmountBelow(directory: string): readonly string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const below = lines
    .map((line) => ({ line, path: line.split(' ')[4] ?? '' }))
    .filter(({ path }) => path.startsWith(`${directory}/`))
    .toReversed();
  for (const { line, path } of below) {
    const [fstype, , options = ''] = line.split(' - ')[1]?.split(' ') ?? [];
    if (fstype === 'cgroup') untilReleased(options.split(','));
    execFileSync('umount', [path], { stdio: 'pipe' });
  }
  return below.map(({ path }) => path);
}

/**
 * The kernel frees removed cgroups later, and a hierarchy that is unmounted before that keeps its
 * subsystem for ever (cgroup_kill_sb()): nobody could have it otherwise on this machine any more.
 */
function untilReleased(subsystems: readonly string[]): void {
  const deadline = performance.now() + RELEASE_MS_MAX;
  const isHeld = (line: string): boolean => {
    const [name = '', , cgroups] = line.split('\t');
    return subsystems.includes(name) && cgroups !== '1';
  };
  const held = (): boolean => readFileSync('/proc/cgroups', 'utf8').split('\n').some(isHeld);
  while (held() && performance.now() < deadline) pause();
}

/** At the exit of this process nothing can be awaited. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
}

/** Kills the daemon and all that is in its cgroups; answers whom. */
function endProcesses(directory: string): readonly number[] {
  const ended = new Set<number>();
  const deadline = performance.now() + CLEAR_MS_MAX;
  for (;;) {
    const pids = processesOf(directory);
    if (pids.length === 0 || performance.now() > deadline) return [...ended];
    for (const pid of pids) {
      ended.add(pid);
      unlessGone(() => process.kill(pid, 'SIGKILL'));
    }
    pause();
  }
}

function processesOf(directory: string): readonly number[] {
  const inCgroups = cgroupsOf(directory).flatMap((path) => {
    // What is frozen does not die on cgroup v1.
    const freezer = join(path, 'freezer.state');
    if (existsSync(freezer)) unlessGone(() => writeFileSync(freezer, 'THAWED'));
    return contentOf(join(path, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  });
  const daemon = Number(contentOf(join(directory, PID_FILE)));
  const isDaemon = daemon > 0 && contentOf(`/proc/${daemon}/cmdline`).includes(`\0${directory}/`);
  return [...new Set([...inCgroups, ...(isDaemon ? [daemon] : [])])];
}

/** What ends by itself may do so while it is looked at: a process, a cgroup with its files. */
const GONE: readonly unknown[] = ['ESRCH', 'ENOENT', 'ENODEV'];

function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (GONE.includes((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
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

/** The slice "coracle-x.slice" is inside it. */
const SLICE_AROUND = `${PREFIX.slice(0, -1)}.slice`;

/**
 * The cgroup or slice with the folder's name in each hierarchy, those that its engine mounted too,
 * and all below it, parents first.
 */
export function cgroupsOf(directory: string): readonly string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    if (!existsSync(path)) return;
    found.push(path);
    for (const name of foldersIn(path)) walk(join(path, name));
  };
  const name = basename(directory);
  for (const mounts of [CGROUP_MOUNTS, join(directory, 'run/cgroup')]) {
    for (const root of [mounts, ...foldersIn(mounts).map((each) => join(mounts, each))]) {
      walk(join(root, name));
      walk(join(root, SLICE_AROUND, `${name}.slice`));
    }
  }
  return [...new Set(found)];
}

function foldersIn(path: string): readonly string[] {
  const entries = unlessGone(() => readdirSync(path, { withFileTypes: true })) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
