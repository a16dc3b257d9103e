// Who a process becomes: limits, ids, capabilities, filter, and the execve that ends its plan.
// Shared by the first process of a container and by exec.
import { EngineError } from '#base/error.ts';
import { maskOf } from '#kernel/capability/capability.ts';
import type { Op } from '#kernel/native/op.ts';
import { UMASK } from './baseline.ts';
import type { HostFacts } from './facts.ts';
import type { OciProcess, OciRlimit, OciSeccomp } from './oci.ts';
import { compileFilter } from './privileges.ts';

/** asm-generic/resource.h: the same on x86 and ARM. */
export const RLIMIT = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
} as const;

const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

export function rlimitOps(rlimits: readonly OciRlimit[]): Op[] {
  return rlimits.map(({ type, soft, hard }) => {
    if (!Object.hasOwn(RLIMIT, type)) {
      throw new EngineError('invalid_argument', `invalid rlimit type: ${type}`);
    }
    const resource = RLIMIT[type as keyof typeof RLIMIT];
    return { op: 'rlimit', resource, soft: rlim(soft), hard: rlim(hard) };
  });
}

/** Docker writes "unlimited" as -1. */
function rlim(value: number): number | bigint {
  return value < 0 ? RLIM_INFINITY : value;
}

/** Up to the moment when the process waits for "go". */
export function settleOps(
  process: OciProcess,
  who: { readonly user: string; readonly groups: readonly string[]; readonly makeCwd: boolean },
): Op[] {
  return [
    { op: 'umask', mask: process.user.umask ?? UMASK },
    { op: 'lookup_user', user: who.user, groups: who.groups },
    { op: 'workdir', path: process.cwd, create: who.makeCwd ? 1 : 0 },
  ];
}

/**
 * From "go" to execve. Loading a filter needs CAP_SYS_ADMIN unless no_new_privs is set
 * (seccomp(2)), so it comes first without, and directly before execve with it: the later, the fewer
 * system calls of ours a profile has to allow.
 */
export function becomeOps(
  process: OciProcess,
  seccomp: OciSeccomp | undefined,
  reaper: boolean,
  facts: HostFacts,
): Op[] {
  const { capabilities, noNewPrivileges } = process;
  const effective = maskOf(capabilities.effective);
  const permitted = maskOf(capabilities.permitted);
  const filter = seccomp === undefined ? [] : [filterOp(seccomp, facts)];
  return [
    ...(noNewPrivileges ? [] : filter),
    { op: 'bounding', mask: maskOf(capabilities.bounding) },
    // Without the flag the kernel drops all capabilities when root becomes somebody else.
    { op: 'set_user', keep: permitted === 0n ? 0 : 1 },
    {
      op: 'caps',
      effective,
      permitted,
      inheritable: maskOf(capabilities.inheritable),
      ambient: maskOf(capabilities.ambient),
    },
    ...(noNewPrivileges ? [{ op: 'no_new_privs' } as const, ...filter] : []),
    { op: 'exec', argv: process.args, env: process.env, reaper: reaper ? 1 : 0 },
  ];
}

function filterOp(seccomp: OciSeccomp, facts: HostFacts): Op {
  const { filter, flags } = compileFilter(seccomp, facts);
  return { op: 'seccomp', filter, flags };
}
