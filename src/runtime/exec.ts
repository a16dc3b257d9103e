// One more process in a running container → its plan. Pure.
import { namesOf } from '#kernel/capability/capability.ts';
import { CLONE } from '#kernel/namespace/namespace.ts';
import type { ExecPlan, Op, Stdio } from '#kernel/native/op.ts';
import type { HostFacts } from './facts.ts';
import { becomeOps, rlimitOps, settleOps } from './identity-ops.ts';
import type { OciNamespaceType, OciProcess, OciSpec } from './oci.ts';
import { ociCapabilities } from './spec.ts';

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

const JOIN_FLAGS: Readonly<Record<OciNamespaceType, number>> = {
  mount: CLONE.NEWNS,
  pid: CLONE.NEWPID,
  network: CLONE.NEWNET,
  ipc: CLONE.NEWIPC,
  uts: CLONE.NEWUTS,
  cgroup: CLONE.NEWCGROUP,
  user: CLONE.NEWUSER,
  time: CLONE.NEWTIME,
};

export function compileExec(
  spec: OciSpec,
  exec: ExecRequest,
  cgroupDirectories: readonly string[],
  facts: HostFacts,
): ExecPlan {
  const flags = spec.linux.namespaces.reduce((sum, { type }) => sum | JOIN_FLAGS[type], 0);
  const process = execProcess(spec, exec, facts);
  const { height = 0, width = 0 } = exec.consoleSize ?? {};
  return {
    stdio: exec.stdio,
    join: [
      // While the process still is the host's root, and still sees the host's files.
      { op: 'oom_score_adj', value: String(process.oomScoreAdj) },
      ...rlimitOps(process.rlimits),
      ...cgroupDirectories.map((path): Op => ({ op: 'cgroup_join', path })),
      { op: 'join_init', flags },
    ],
    init: [
      ...(exec.stdio.tty ? [{ op: 'terminal', height, width } as const] : []),
      ...settleOps(process, { user: exec.user, groups: exec.groups, makeCwd: false }),
      { op: 'ready' },
      ...becomeOps(process, spec.linux.seccomp, false, facts),
    ],
  };
}

/** The container's own process with another program; --privileged lifts capabilities only. */
export function execProcess(spec: OciSpec, exec: ExecRequest, facts: HostFacts): OciProcess {
  const names = exec.privileged
    ? namesOf(facts.boundingSet)
    : spec.process.capabilities.bounding;
  const uid = /^\d+(?=$|:)/.exec(exec.user)?.[0] ?? '0';
  return {
    terminal: exec.stdio.tty,
    ...(exec.consoleSize === undefined ? {} : { consoleSize: exec.consoleSize }),
    user: { uid: Number(uid), gid: 0 },
    args: exec.argv,
    env: exec.env,
    cwd: exec.cwd === '' ? '/' : exec.cwd,
    capabilities: ociCapabilities(names, Number(uid)),
    rlimits: spec.process.rlimits,
    noNewPrivileges: spec.process.noNewPrivileges,
    oomScoreAdj: spec.process.oomScoreAdj,
  };
}
