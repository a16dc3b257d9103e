// Which namespaces a container has for itself, shares with the host, or joins. Modes that name
// another container are resolved at start, to /proc/PID/ns paths.
import { existsSync } from 'node:fs';
import { EngineError } from '#base/error.ts';
import { parseNetworkMode } from '#network/mode.ts';
import type { BoxNamespaces, NamespaceMode } from '#runtime/box.ts';
import type { ContainerRecord } from './record.ts';

const PRIVATE: NamespaceMode = { mode: 'private' };
const HOST: NamespaceMode = { mode: 'host' };

export type NamespaceFacts = {
  /** Docker's default: private on cgroup v2, the host's on v1. */
  readonly cgroupVersion: 1 | 2;
  /** The namespace of another container, by its name or id. */
  readonly join: (ref: string, kind: Joinable) => string;
};

export function planNamespaces(record: ContainerRecord, facts: NamespaceFacts): BoxNamespaces {
  const { host } = record.spec;
  const network = parseNetworkMode(host.networkMode);
  const uts = host.utsMode === 'host' ? HOST : PRIVATE;
  return {
    pid: joinable(host.pidMode, 'pid', facts),
    ipc: joinable(host.ipcMode, 'ipc', facts),
    network:
      network.mode === 'container'
        ? joined(facts.join(network.container, 'net'))
        : network.mode === 'host'
          ? HOST
          : PRIVATE,
    uts,
    cgroup: cgroupMode(record, facts),
    // Private by default as since Docker 29.5, where the kernel has it (time_namespaces(7)).
    time: host.timensMode === 'host' || !existsSync('/proc/self/ns/time') ? HOST : PRIVATE,
    user:
      record.userns === undefined
        ? { mode: 'host' }
        : { mode: 'map', uid: record.userns.mappings, gid: record.userns.mappings },
  };
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

function joinable(mode: string, kind: Joinable, facts: NamespaceFacts): NamespaceMode {
  if (mode === 'host') return HOST;
  if (!mode.startsWith('container:')) return PRIVATE;
  return joined(facts.join(mode.slice('container:'.length), kind));
}

function joined(path: string): NamespaceMode {
  return { mode: 'path', path, shared: true };
}

/** Where the namespace of a running container is; texts are Docker's. */
export function joinPath(record: ContainerRecord, other: ContainerRecord, kind: Joinable): string {
  if (other.id === record.id) {
    throw new EngineError('invalid_argument', `cannot join own ${NAMES[kind]} namespace`);
  }
  const { state } = other;
  if (state.status === 'restarting') {
    const text = `Container ${other.id} is restarting, wait until the container is running`;
    throw new EngineError('conflict', text);
  }
  if (state.status !== 'running' && state.status !== 'paused') {
    const text = `cannot join ${NAMES[kind]} of a non running container: ${other.id}`;
    throw new EngineError('conflict', text);
  }
  if (kind === 'ipc' && other.spec.host.ipcMode !== 'shareable') {
    throw new EngineError(
      'invalid_argument',
      `container ${other.id}: non-shareable IPC ` +
        '(hint: use IpcMode:shareable for the donor container)',
    );
  }
  return namespacePath(state.pid, kind);
}

export function namespacePath(pid: number, kind: Joinable): string {
  return `/proc/${pid}/ns/${kind}`;
}
