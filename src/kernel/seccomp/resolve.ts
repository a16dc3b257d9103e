// From a profile to the filter of one container: conditions on capabilities, architecture and
// kernel are decided here, as dockerd decides them before it calls a runtime.
import type { Condition, LinuxSeccomp, LinuxSyscall, SeccompProfile } from './profile.ts';

export type NativeArch = 'x86_64' | 'aarch64';

export type SeccompFacts = {
  /** Names of the container's bounding set. */
  readonly caps: ReadonlySet<string>;
  readonly arch: NativeArch;
  readonly kernel: readonly [major: number, minor: number];
};

/** Docker's names in conditions, and libseccomp's in archMap. */
const NAMES = {
  x86_64: { condition: 'amd64', scmp: 'SCMP_ARCH_X86_64' },
  aarch64: { condition: 'arm64', scmp: 'SCMP_ARCH_AARCH64' },
} as const satisfies Record<NativeArch, { condition: string; scmp: string }>;

export function resolveProfile(profile: SeccompProfile, facts: SeccompFacts): LinuxSeccomp {
  const native = NAMES[facts.arch].scmp;
  const mapped = profile.archMap?.find((each) => each.architecture === native);
  const architectures =
    profile.architectures ??
    (mapped === undefined ? [native] : [native, ...mapped.subArchitectures]);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures,
    ...(profile.flags === undefined ? {} : { flags: profile.flags }),
    syscalls: profile.syscalls
      .filter((rule) => isIncluded(rule.includes, facts) && !isExcluded(rule.excludes, facts))
      .map(({ includes: _, excludes: __, ...rule }): LinuxSyscall => rule),
  };
}

function isIncluded(condition: Condition | undefined, facts: SeccompFacts): boolean {
  if (condition === undefined) return true;
  const { caps = [], arches = [], minKernel } = condition;
  if (arches.length > 0 && !arches.includes(NAMES[facts.arch].condition)) return false;
  if (!caps.every((cap) => facts.caps.has(cap))) return false;
  return minKernel === undefined || atLeast(facts.kernel, minKernel);
}

function isExcluded(condition: Condition | undefined, facts: SeccompFacts): boolean {
  if (condition === undefined) return false;
  const { caps = [], arches = [], minKernel } = condition;
  if (arches.includes(NAMES[facts.arch].condition)) return true;
  if (caps.some((cap) => facts.caps.has(cap))) return true;
  return minKernel !== undefined && atLeast(facts.kernel, minKernel);
}

function atLeast(
  [major, minor]: readonly [number, number],
  [wantedMajor, wantedMinor]: readonly [number, number],
): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
