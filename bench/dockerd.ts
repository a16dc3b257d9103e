// A Debian dockerd of its own to compare with: its own socket, roots and pid file below one
// directory, in its own network and mount namespace, so that nothing on the host is touched.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;
const POLL_MS = 50;
/** Of this process alone: several benchmarks may run at once. */
const CGROUP_PREFIX = 'coracle-bench-dockerd-';
const CGROUP_NAME = /^coracle-bench-dockerd-(\d+)$/;
const CGROUP_PARENT = `${CGROUP_PREFIX}${process.pid}`;

export type Dockerd = AsyncDisposable & {
  readonly host: string;
  readonly socket: string;
  /** dockerd and the containerd that it started. */
  pids(): readonly number[];
};

export function findDockerd(): string | undefined {
  return ['/usr/sbin/dockerd', '/usr/bin/dockerd', '/usr/local/bin/dockerd'].find(existsSync);
}

function pidOf(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8'));
  return Number.isInteger(pid) && existsSync(`/proc/${pid}`) ? pid : undefined;
}

export type DockerdPlaces = {
  readonly directory: string;
  readonly execRoot: string;
  /** A network namespace to share, where it then makes no networks; else it has a new one. */
  readonly namespace?: string;
};

/** With that image, if one is named. */
export async function startDockerd(
  { directory, execRoot, namespace }: DockerdPlaces,
  image?: string,
): Promise<Dockerd | undefined> {
  const program = findDockerd();
  if (program === undefined) return undefined;
  await sweep();
  mkdirSync(directory, { recursive: true });
  const socket = join(directory, 'docker.sock');
  const log = openSync(join(directory, 'dockerd.log'), 'w');
  const child = spawn(
    'setpriv',
    [
      // Also when this process is killed, or given up with a test that hangs.
      ...['--pdeathsig', 'TERM'],
      ...(namespace === undefined ? [] : ['nsenter', `--net=${namespace}`]),
      'unshare',
      ...(namespace === undefined ? ['--net'] : []),
      '--mount',
      '--',
      'sh',
      '-c',
      'ip link set lo up; exec "$0" "$@"', // a new network namespace has it down
      program,
      '-H',
      `unix://${socket}`,
      '--data-root',
      join(directory, 'data'),
      '--exec-root',
      execRoot,
      '--pidfile',
      join(directory, 'docker.pid'),
      '--cgroup-parent',
      `/${CGROUP_PARENT}`,
      ...(namespace === undefined ? [] : ['--iptables=false', '--bridge=none']),
    ],
    { stdio: ['ignore', log, log] },
  );
  closeSync(log);
  const dockerd: Dockerd = {
    host: `unix://${socket}`,
    socket,
    pids: () =>
      [join(directory, 'docker.pid'), join(execRoot, 'containerd/containerd.pid')].flatMap(
        (file) => pidOf(file) ?? [],
      ),
    [Symbol.asyncDispose]: () => stop(child, [directory, execRoot]),
  };
  if (!(await answers(socket, child))) {
    await stop(child, [directory, execRoot]);
    return undefined;
  }
  if (image !== undefined) {
    try {
      const options = { stdio: 'ignore', timeout: START_MS_MAX } as const;
      execFileSync('docker', ['-H', dockerd.host, 'load', '-q', '-i', image], options);
    } catch (error) {
      await dockerd[Symbol.asyncDispose]();
      throw error;
    }
  }
  return dockerd;
}

async function answers(socket: string, child: ChildProcess): Promise<boolean> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline && child.exitCode === null) {
    const ok = await new Promise<boolean>((resolve) => {
      const probe = connect(socket, () => {
        probe.destroy();
        resolve(true);
      });
      probe.on('error', () => resolve(false));
    });
    if (ok) return true;
    await sleep(POLL_MS);
  }
  return false;
}

async function stop(child: ChildProcess, directories: readonly string[]): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit', { signal: AbortSignal.timeout(STOP_MS_MAX) });
    child.kill('SIGTERM');
    await gone.catch(() => child.kill('SIGKILL'));
  }
  removeCgroups(CGROUP_PARENT);
  for (const each of directories) rmSync(each, { recursive: true, force: true });
}

/** The parent cgroups that dockerd leaves behind, in each hierarchy. */
function removeCgroups(name: string): void {
  for (const path of cgroupsOf(name)) {
    for (const leaf of foldersIn(path)) rmdirSync(join(path, leaf));
    rmdirSync(path);
  }
}

const CGROUPS = '/sys/fs/cgroup';

function cgroupsOf(name: string): readonly string[] {
  return foldersIn(CGROUPS)
    .map((hierarchy) => join(CGROUPS, hierarchy, name))
    .filter((path) => existsSync(path));
}

function foldersIn(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** Where benchmarks have their folders, and how these are called: the pid comes last. */
const PLACES = [
  ['/run', /^bench-[a-z]+-(\d+)$/],
  ['/tmp', /^coracle-bench-dockerd-(\d+)$/],
] as const;
const SWEEP_MS_MAX = 10_000;

/** Ends and removes what a benchmark left that was killed: nobody else would. */
async function sweep(): Promise<void> {
  const pids = new Set<number>();
  const folders: (readonly [path: string, pid: number])[] = [];
  const note = (name: string, pattern: RegExp): number => {
    const pid = Number(pattern.exec(name)?.[1] ?? 0);
    if (pid > 0 && !existsSync(`/proc/${pid}`)) pids.add(pid);
    return pid;
  };
  for (const [place, pattern] of PLACES) {
    for (const name of foldersIn(place)) folders.push([join(place, name), note(name, pattern)]);
  }
  for (const hierarchy of foldersIn(CGROUPS)) {
    for (const name of foldersIn(join(CGROUPS, hierarchy))) note(name, CGROUP_NAME);
  }
  for (const pid of pids) {
    const left = folders.filter(([, owner]) => owner === pid).map(([path]) => path);
    try {
      await endAll(pid, left);
      removeCgroups(`${CGROUP_PREFIX}${pid}`);
      for (const path of left) rmSync(path, { recursive: true, force: true });
    } catch (error) {
      process.stderr.write(
        `cannot remove what benchmark ${pid} left, ignoring: ${String(error)}\n`,
      );
    }
  }
}

/** dockerd and containerd first, which would start others; then what is in the cgroups. */
async function endAll(pid: number, folders: readonly string[]): Promise<void> {
  const deadline = performance.now() + SWEEP_MS_MAX;
  for (;;) {
    const daemons = folders.flatMap((folder) =>
      ['docker.pid', 'containerd/containerd.pid'].flatMap((file) => {
        const daemon = pidOf(join(folder, file));
        if (daemon === undefined) return [];
        // Another process has its pid by now.
        const ours = readFileSync(`/proc/${daemon}/cmdline`, 'utf8').includes(folder);
        return ours ? [daemon] : [];
      }),
    );
    const others = cgroupsOf(`${CGROUP_PREFIX}${pid}`).flatMap((path) =>
      foldersIn(path).flatMap((leaf) =>
        readFileSync(join(path, leaf, 'cgroup.procs'), 'utf8')
          .split('\n')
          .filter(Boolean),
      ),
    );
    const all = new Set([...daemons, ...others.map(Number)]);
    if (all.size === 0 || performance.now() > deadline) return;
    for (const each of all) process.kill(each, 'SIGKILL');
    await sleep(POLL_MS);
  }
}
