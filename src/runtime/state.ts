// What must be kept of a running container, so that another daemon process can take it over: plain
// data, stored by container/ in its record, parsed here because a record is input like any other.
import { EngineError } from '#base/error.ts';
import type { CgroupPlan } from '#kernel/cgroup/cgroup.ts';
import { type Freezer, freezerAt } from '#kernel/cgroup/freezer.ts';
import type { Box, BoxSecurity } from './box.ts';
import type { HostFacts } from './facts.ts';
import {
  OCI_NAMESPACES,
  type OciNamespaceType,
  type OciRlimit,
  type OciSeccomp,
  type OciSpec,
} from './oci.ts';
import { capabilityNames, seccompFor } from './privileges.ts';

export type RuntimeState = {
  readonly version: 1;
  readonly runtime: 'coracle' | 'runc';
  readonly id: string;
  /** Of the monitor: its socket and exit file. */
  readonly directory: string;
  readonly pid: number;
  readonly cgroup: CgroupState;
  readonly exec: ExecState;
};

export type CgroupState = {
  readonly directories: readonly string[];
  /** The directory that `cgroup_kill` takes. */
  readonly killDirectory: string | null;
  readonly freezer: { readonly version: 1 | 2; readonly directory: string } | null;
  readonly oomFile: string | null;
};

/** What exec inherits from the container. */
export type ExecState = {
  /** All namespaces of the container that are not the host's. */
  readonly namespaces: readonly OciNamespaceType[];
  readonly rlimits: readonly OciRlimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
  readonly security: BoxSecurity;
};

/** ExecState with what follows from it, by the facts of this host. */
export type ExecBase = Omit<ExecState, 'security'> & {
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
  readonly seccomp: OciSeccomp | undefined;
  readonly cgroupDirectories: readonly string[];
};

export function cgroupState(plan: CgroupPlan): CgroupState {
  const { freezer } = plan;
  return {
    directories: plan.directories,
    killDirectory: plan.unified ?? plan.directories[0] ?? null,
    freezer:
      freezer === undefined
        ? null
        : { version: freezer.version, directory: freezer.path.replace(/\/[^/]+$/, '') },
    oomFile: plan.oomFile ?? null,
  };
}

export function execState(box: Box, spec: OciSpec): ExecState {
  return {
    namespaces: spec.linux.namespaces.map(({ type }) => type),
    rlimits: spec.process.rlimits,
    noNewPrivileges: spec.process.noNewPrivileges,
    oomScoreAdj: spec.process.oomScoreAdj,
    security: box.security,
  };
}

export function execBase(state: RuntimeState, facts: HostFacts): ExecBase {
  const { security, ...rest } = state.exec;
  const capabilities = capabilityNames(security, facts);
  return {
    ...rest,
    capabilities,
    seccomp: seccompFor(security, capabilities, facts),
    cgroupDirectories: state.cgroup.directories,
  };
}

export function freezerOf(state: RuntimeState): Freezer | undefined {
  const { freezer } = state.cgroup;
  return freezer === null ? undefined : freezerAt(freezer.version, freezer.directory);
}

/**
 * Checks the outline of a stored state. It was written by us, so the inside is trusted once the
 * version agrees; a record of another version is refused, not guessed at.
 */
export function parseRuntimeState(value: unknown): RuntimeState {
  const state = value as RuntimeState;
  const good =
    typeof value === 'object' &&
    value !== null &&
    state.version === 1 &&
    (state.runtime === 'coracle' || state.runtime === 'runc') &&
    typeof state.id === 'string' &&
    typeof state.directory === 'string' &&
    Number.isSafeInteger(state.pid) &&
    Array.isArray(state.cgroup?.directories) &&
    Array.isArray(state.exec?.namespaces) &&
    state.exec.namespaces.every((type) => OCI_NAMESPACES.includes(type)) &&
    typeof state.exec.security === 'object';
  if (good) return state;
  throw new EngineError('corrupt', 'the stored state of a running container cannot be read');
}
