// One more process in a running container → its plan. Pure.
import { namesOf } from '#kernel/capability/capability.ts';
import { NAMESPACES } from '#kernel/namespace/namespace.ts';
import type { ExecPlan, Op, Stdio } from '#kernel/native/op.ts';
import type { HostFacts } from './facts.ts';
import { becomeOps, rlimitOps, settleOps } from './identity-ops.ts';
import type { OciNamespaceType, OciProcess, OciRlimit, OciSeccomp } from './oci.ts';
import { ociCapabilities } from './spec.ts';

/** What a process inherits from the container that it is added to. */
export type ExecBase = {
  /** All namespaces of the container that are not the host's. */
  readonly namespaces: readonly OciNamespaceType[];
  readonly rlimits: readonly OciRlimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
  readonly seccomp: OciSeccomp | undefined;
  /** Of version 1; into the other one the monitor clones every process. */
  readonly cgroupDirectories: readonly string[];
};

export type ExecRequest = {
  readonly argv: readonly string[];
  /** The whole environment but HOME, which the runtime adds from passwd. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** "" is root; the caller has put the container's user here when exec was given none. */
  readonly user: string;
  readonly groups: readonly string[];
  readonly privileged: boolean;
  readonly stdio: Stdio;
  readonly consoleSize: { readonly height: number; readonly width: number } | undefined;
};

export function compileExec(base: ExecBase, exec: ExecRequest, facts: HostFacts): ExecPlan {
  const flags = base.namespaces.reduce((sum, type) => sum | NAMESPACES[type].clone, 0);
  const process = execProcess(base, exec, facts);
  const { height = 0, width = 0 } = exec.consoleSize ?? {};
  return {
    stdio: exec.stdio,
    join: [
      // While the process still is the host's root, and still sees the host's files.
      { op: 'oom_score_adj', value: String(process.oomScoreAdj) },
      ...rlimitOps(process.rlimits),
      ...base.cgroupDirectories.map((path): Op => ({ op: 'cgroup_join', path })),
      { op: 'join_init', flags },
    ],
    init: [
      ...(exec.stdio.tty ? [{ op: 'terminal', height, width } as const] : []),
      ...settleOps(process, { user: exec.user, groups: exec.groups, makeCwd: false }),
      { op: 'ready' },
      ...becomeOps(process, base.seccomp, false, facts),
    ],
  };
}

/** The container's own process with another program; --privileged lifts capabilities only. */
export function execProcess(base: ExecBase, exec: ExecRequest, facts: HostFacts): OciProcess {
  const names = exec.privileged ? namesOf(facts.boundingSet) : base.capabilities;
  const [uid = '0', gid = '0'] = /^(\d+)(?::(\d+))?$/.exec(exec.user)?.slice(1) ?? [];
  return {
    terminal: exec.stdio.tty,
    ...(exec.consoleSize === undefined ? {} : { consoleSize: exec.consoleSize }),
    user: { uid: Number(uid), gid: Number(gid) },
    args: exec.argv,
    env: exec.env,
    cwd: exec.cwd === '' ? '/' : exec.cwd,
    capabilities: ociCapabilities(names, Number(uid)),
    rlimits: base.rlimits,
    noNewPrivileges: base.noNewPrivileges,
    oomScoreAdj: base.oomScoreAdj,
  };
}
