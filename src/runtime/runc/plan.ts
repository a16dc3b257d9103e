// Plans whose process is an external OCI runtime: the monitor makes the root mount in a private
// mount namespace and runs `runc run` there in the foreground; namespaces, mounts and privileges
// are its.
import type { CgroupPlan } from '#kernel/cgroup/cgroup.ts';
import { MOUNT_ATTR, MS } from '#kernel/mount/flags.ts';
import { CLONE } from '#kernel/namespace/namespace.ts';
import type { ExecPlan, LaunchPlan, Op } from '#kernel/native/op.ts';
import type { Box, BoxShm } from '../box.ts';
import { killOps } from '../cgroup.ts';
import type { ExecRequest } from '../exec.ts';
import { joinedShm } from '../mounts.ts';
import type { HostFacts } from '../facts.ts';
import { joinShmOps, madeOps, overlayOp, takesLayers } from '../plan.ts';

/** Files below the run directory of a container. */
export type RuncPaths = {
  readonly directory: string;
  readonly rootfs: string;
  readonly config: string;
  /** Where a joined /dev/shm stands, in the private mount namespace only. */
  readonly shm: string;
  readonly pidFile: string;
  readonly log: string;
  /** runc's own state. */
  readonly state: string;
};

export function runcPaths(directory: string): RuncPaths {
  return {
    directory,
    rootfs: `${directory}/rootfs`,
    config: `${directory}/config.json`,
    shm: `${directory}/shm`,
    pidFile: `${directory}/pid`,
    log: `${directory}/log.json`,
    state: `${directory}/state`,
  };
}

const ENV = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];

function runcArgs(program: string, paths: RuncPaths, log: string): string[] {
  return [program, '--root', paths.state, '--log', log, '--log-format', 'json'];
}

/** A terminal comes from a devpts, which runc's own /dev will cover. */
function terminalOps(size: { readonly height: number; readonly width: number }): Op[] {
  return [
    {
      op: 'mount',
      fstype: 'devpts',
      source: 'devpts',
      target: '/dev/pts',
      attr: MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC,
      options: ['newinstance', 'ptmxmode=0666', 'mode=0620'],
    },
    { op: 'terminal', ...size },
  ];
}

/** runc has no words for the mount of another namespace: it finds a copy at a path. */
function shmOps(shm: BoxShm, paths: RuncPaths): Op[] {
  if (shm.kind !== 'joined') return [];
  return [...joinShmOps(shm), { op: 'attach', name: joinedShm(shm.pid), directory: paths.shm }];
}

export function planRun(
  program: string,
  box: Box,
  paths: RuncPaths,
  cgroup: CgroupPlan,
  facts: HostFacts,
): LaunchPlan {
  const { mount } = box.root;
  const argv = [
    ...runcArgs(program, paths, paths.log),
    'run',
    '--bundle',
    paths.directory,
    '--pid-file',
    paths.pidFile,
    box.id,
  ];
  return {
    stdio: box.process.stdio,
    log: box.log,
    host: [
      mount.kind === 'bind'
        ? { op: 'root_bind', path: mount.path }
        : overlayOp(mount, box.root.volatile, takesLayers(facts)),
    ],
    join: [],
    cloneFlags: CLONE.NEWNS,
    init: [
      { op: 'propagation', flags: MS.REC | MS.SLAVE },
      ...shmOps(box.shm, paths),
      { op: 'root_attach', directory: paths.rootfs },
      ...madeOps,
      ...(box.process.stdio.tty
        ? terminalOps(box.process.consoleSize ?? { height: 0, width: 0 })
        : []),
      { op: 'umask', mask: 0o022 },
      { op: 'ready' },
      { op: 'exec', argv, env: ENV, reaper: 0 },
    ],
    // runc removes its cgroups itself, unless it was killed.
    teardown: [
      ...killOps(cgroup),
      ...cgroup.directories.map((path): Op => ({ op: 'cgroup_rmdir', path })),
    ],
  };
}

/** Files of one exec. */
export type ExecFiles = {
  readonly process: string;
  readonly pidFile: string;
  readonly log: string;
};

export function execFiles(paths: RuncPaths, id: string): ExecFiles {
  const base = `${paths.directory}/exec-${id}`;
  return { process: `${base}.json`, pidFile: `${base}.pid`, log: `${base}.log` };
}

export function planExec(
  program: string,
  box: Box,
  paths: RuncPaths,
  files: ExecFiles,
  request: ExecRequest,
): ExecPlan {
  const argv = [
    ...runcArgs(program, paths, files.log),
    'exec',
    '--process',
    files.process,
    '--pid-file',
    files.pidFile,
    box.id,
  ];
  const size = request.consoleSize ?? { height: 0, width: 0 };
  return {
    stdio: request.stdio,
    // runc's mount namespace has all that the host's has, and a terminal is looked for inside one.
    join: [{ op: 'join_init', flags: CLONE.NEWNS }],
    init: [
      ...(request.stdio.tty ? [{ op: 'terminal', ...size } as const] : []),
      { op: 'umask', mask: 0o022 },
      { op: 'ready' },
      { op: 'exec', argv, env: ENV, reaper: 0 },
    ],
  };
}
