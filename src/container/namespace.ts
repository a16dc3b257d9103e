// Which namespaces a container has for itself, shares with the host, or joins. Modes that name
// another container are resolved at start, to /proc/PID/ns paths.
import { existsSync } from 'node:fs';
import { EngineError, type ErrorCode } from '#base/error.ts';
import type { BoxNamespaces, BoxShm, NamespaceMode } from '#runtime/box.ts';
import type { Deps } from './deps.ts';
import { isRunning } from './guard.ts';
import type { ContainerRecord } from './record.ts';
import type { HostConfig } from './spec.ts';

const PRIVATE: NamespaceMode = { mode: 'private' };
const HOST: NamespaceMode = { mode: 'host' };
const JOINS = 'container:';

export type NamespaceFacts = {
  /** Docker's default: private on cgroup v2, the host's on v1. */
  readonly cgroupVersion: 1 | 2;
  /** The first process of another container, by its name or id. */
  readonly join: (ref: string, kind: Joinable) => number;
  /** Decided by network.ts. */
  readonly network: NamespaceMode;
};

const HAS_TIME = existsSync('/proc/self/ns/time');

/** /dev/shm goes with the IPC namespace: POSIX shared memory is files there (shm_overview(7)). */
export function planNamespaces(
  record: ContainerRecord,
  facts: NamespaceFacts,
): { readonly namespaces: BoxNamespaces; readonly shm: BoxShm } {
  const { host } = record.spec;
  const ipc = joinable(host.ipcMode, 'ipc', facts);
  const namespaces: BoxNamespaces = {
    pid: pathOf(joinable(host.pidMode, 'pid', facts), 'pid'),
    ipc: pathOf(ipc, 'ipc'),
    network: facts.network,
    uts: host.utsMode === 'host' ? HOST : PRIVATE,
    cgroup: cgroupMode(record, facts),
    // Private by default as since Docker 29.5, where the kernel has it (time_namespaces(7)).
    time: host.timensMode === 'host' || !HAS_TIME ? HOST : PRIVATE,
    user:
      record.userns === undefined
        ? { mode: 'host' }
        : { mode: 'map', uid: record.userns.mappings, gid: record.userns.mappings },
  };
  return { namespaces, shm: planShm(host, ipc) };
}

/** Docker's default of /dev/shm. */
export const SHM_BYTES_DEFAULT = 64 * 1024 * 1024;

function planShm(host: HostConfig, ipc: NamespaceMode | number): BoxShm {
  if (typeof ipc === 'number') return { kind: 'joined', pid: ipc };
  if (ipc.mode === 'host') return { kind: 'host' };
  if (host.ipcMode === 'none') return { kind: 'none' };
  return { kind: 'own', bytes: host.shmSize || SHM_BYTES_DEFAULT };
}

function cgroupMode(record: ContainerRecord, facts: NamespaceFacts): NamespaceMode {
  const { cgroupnsMode, privileged } = record.spec.host;
  if (cgroupnsMode === 'private') return PRIVATE;
  if (cgroupnsMode === 'host') return HOST;
  return facts.cgroupVersion === 2 && !privileged ? PRIVATE : HOST;
}

export type Joinable = 'pid' | 'ipc' | 'net';
const NAMES = { pid: 'PID', ipc: 'IPC', net: 'network' } as const satisfies Record<
  Joinable,
  string
>;

/** The process to join is a number. */
function joinable(
  mode: string,
  kind: 'pid' | 'ipc',
  facts: NamespaceFacts,
): NamespaceMode | number {
  if (mode === 'host') return HOST;
  if (!mode.startsWith(JOINS)) return PRIVATE;
  return facts.join(mode.slice(JOINS.length), kind);
}

export function pathOf(mode: NamespaceMode | number, kind: Joinable): NamespaceMode {
  if (typeof mode !== 'number') return mode;
  return { mode: 'path', path: `/proc/${mode}/ns/${kind}`, shared: true };
}

export function joiner(
  deps: Pick<Deps, 'store' | 'lives'>,
  record: ContainerRecord,
): NamespaceFacts['join'] {
  return (ref, kind) => {
    const other = deps.store.get(ref);
    return joinPid(record, other, kind, deps.lives.of(other.id).task?.pid);
  };
}

/**
 * The first process of the container to join; texts and codes are those of Docker 28. `pid`: of its
 * task, which is there from the moment that the process is its own program's.
 */
export function joinPid(
  record: ContainerRecord,
  other: ContainerRecord,
  kind: Joinable,
  pid: number | undefined,
): number {
  if (other.id === record.id) {
    throw new EngineError('invalid_argument', `cannot join own ${NAMES[kind]} namespace`);
  }
  const refuse = (code: ErrorCode, text: string): EngineError =>
    new EngineError(code, `failed to join ${NAMES[kind]} namespace: ${text}`);
  const { state } = other;
  if (state.status === 'restarting') {
    const text = `Container ${other.id} is restarting, wait until the container is running`;
    throw kind === 'net'
      ? new EngineError('conflict', `cannot join network namespace of container: ${text}`)
      : refuse('conflict', text);
  }
  if (!isRunning(state) || pid === undefined) {
    throw kind === 'net'
      ? new EngineError(
          'conflict',
          'cannot join network namespace of a non running container: container ' +
            `${other.name} is ${state.status}`,
        )
      : refuse('conflict', `container ${other.id} is not running`);
  }
  if (kind === 'ipc' && !isShareable(other)) {
    throw refuse(
      'invalid_argument',
      `container ${other.id}: non-shareable IPC ` +
        '(hint: use IpcMode:shareable for the donor container)',
    );
  }
  return pid;
}

/** What it joined itself is shareable, too; a mount of the user on /dev/shm is its own affair. */
function isShareable({ spec, mounts }: ContainerRecord): boolean {
  const { ipcMode } = spec.host;
  const shares = ipcMode === 'shareable' || ipcMode === 'host' || ipcMode.startsWith(JOINS);
  return shares && !mounts.some(({ destination }) => destination === '/dev/shm');
}

/**
 * The modes with the id in place of the name, as dockerd stores them: a name may become another
 * container's.
 */
export function settleJoins(host: HostConfig, idOf: (ref: string) => string): HostConfig {
  const settle = (mode: string): string =>
    mode.startsWith(JOINS) ? `${JOINS}${idOf(mode.slice(JOINS.length))}` : mode;
  return {
    ...host,
    pidMode: settle(host.pidMode),
    ipcMode: settle(host.ipcMode),
    networkMode: settle(host.networkMode),
  };
}
