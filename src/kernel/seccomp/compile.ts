// Compiles a seccomp filter to classic BPF. The container pays for it at every system call, so
// numbers are found by a binary search over ranges, not by a list; and the search uses only
// instructions that the kernel can judge beforehand (seccomp_is_const_allow()), so that calls
// which are always allowed cost nothing on Linux 5.11 and newer.
import { EngineError } from '#base/error.ts';
import { returnValue, RET_ENOSYS, RET_KILL_PROCESS, type SeccompAction } from './action.ts';
import { Assembler, BPF_INSNS_MAX, type Label } from './assembler.ts';
import { emitConditions } from './condition.ts';
import type { LinuxSeccomp, LinuxSyscall, SeccompArg } from './profile.ts';
import type { NativeArch } from './resolve.ts';
import {
  ARCHES,
  ARM_PRIVATE_MIN,
  type ArchName,
  isArchName,
  X32_SYSCALL_BIT,
} from './syscall/table.ts';

export type SeccompFilter = {
  /** struct sock_filter[], little endian. */
  readonly filter: Uint8Array;
  /** SECCOMP_FILTER_FLAG_* for seccomp(2). */
  readonly flags: number;
};

const FLAGS: ReadonlyMap<string, number> = new Map([
  ['SECCOMP_FILTER_FLAG_TSYNC', 1],
  ['SECCOMP_FILTER_FLAG_LOG', 2],
  ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', 4],
]);
/** What runc does when a profile names no flags: no needless cost of the SSB mitigation. */
const FLAGS_DEFAULT = ['SECCOMP_FILTER_FLAG_SPEC_ALLOW'];

const NATIVE = {
  x86_64: 'SCMP_ARCH_X86_64',
  aarch64: 'SCMP_ARCH_AARCH64',
} as const satisfies Record<NativeArch, ArchName>;
/** Other architectures a kernel of this one can run. */
const COMPATIBLE = {
  x86_64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  aarch64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
} as const satisfies Record<NativeArch, readonly ArchName[]>;

const NUMBER_OFFSET = 0; // struct seccomp_data
const ARCH_OFFSET = 4;

/** What happens to one system call: the first rule whose arguments match, else `otherwise`. */
type Verdict = { readonly rules: readonly ArgRule[]; readonly otherwise: number };
type ArgRule = { readonly args: readonly SeccompArg[]; readonly value: number };
/** From `start` up to the next range. */
type Range = { readonly start: number; readonly verdict: Verdict };

export function compileSeccomp(seccomp: LinuxSeccomp, native: NativeArch): SeccompFilter {
  const wanted = new Set<ArchName>([NATIVE[native]]);
  for (const name of seccomp.architectures) {
    // Architectures of other machines are legal in a profile and cannot occur here.
    if (isArchName(name)) wanted.add(name);
    else if (!/^SCMP_ARCH_[A-Z0-9]+$/.test(name)) {
      throw new EngineError('invalid_argument', `string ${name} is not a valid arch for seccomp`);
    }
  }
  const assembler = new Assembler();
  const badArch = assembler.ret(RET_KILL_PROCESS);
  let entry = badArch;
  const arches = COMPATIBLE[native].filter((each) => wanted.has(each));
  // From the last test to the first, so that the native architecture is tested first.
  for (const name of arches.filter((each) => each !== 'SCMP_ARCH_X32').toReversed()) {
    const { audit, bits } = ARCHES[name];
    const ranges = rangesOf(seccomp, name);
    let tree: Label;
    if (name === 'SCMP_ARCH_X86_64') {
      // x32 shares the audit value; without it in the profile its half is a bad architecture.
      const x32 = wanted.has('SCMP_ARCH_X32')
        ? emitTree(assembler, rangesOf(seccomp, 'SCMP_ARCH_X32'), bits)
        : assembler.ret(RET_KILL_PROCESS);
      const x64 = emitTree(assembler, ranges, bits);
      tree = assembler.jump('jge', X32_SYSCALL_BIT, x32, x64);
    } else {
      tree = emitTree(assembler, ranges, bits);
    }
    const section = assembler.load(NUMBER_OFFSET, tree);
    entry = assembler.jump('jeq', audit, section, entry);
  }
  const filter = assembler.assemble(assembler.load(ARCH_OFFSET, entry));
  if (assembler.length > BPF_INSNS_MAX) {
    throw new EngineError(
      'invalid_argument',
      `the seccomp profile needs ${assembler.length} BPF instructions, ` +
        `and the kernel takes ${BPF_INSNS_MAX}`,
    );
  }
  return { filter, flags: flagsOf(seccomp.flags ?? FLAGS_DEFAULT) };
}

function flagsOf(names: readonly string[]): number {
  let flags = 0;
  for (const name of names) {
    const flag = FLAGS.get(name);
    if (flag === undefined) {
      throw new EngineError('invalid_argument', `seccomp flag "${name}" not supported`);
    }
    flags |= flag;
  }
  return flags;
}

/** A tracer answers ENOSYS itself where it wants to. */
const PERMITS: ReadonlySet<SeccompAction> = new Set([
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
  'SCMP_ACT_TRACE',
]);

/** All numbers of an architecture, as ranges with one verdict each. */
function rangesOf(seccomp: LinuxSeccomp, name: ArchName): Range[] {
  const byDefault = returnValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const { verdicts, newest } = verdictsOf(seccomp, name, byDefault);
  const unlisted: Verdict = { rules: [], otherwise: byDefault };
  // A number newer than the profile knows is not refused but unknown: programs then fall back to
  // older calls, as they would on an older kernel. Only where the default refuses; runc does it so.
  const unknown: Verdict = PERMITS.has(seccomp.defaultAction)
    ? unlisted
    : { rules: [], otherwise: RET_ENOSYS };
  const verdictAt = (number: number): Verdict =>
    verdicts.get(number) ?? (newest !== undefined && number > newest ? unknown : unlisted);
  const edges = new Set([0, ...(newest === undefined ? [] : [newest + 1])]);
  for (const number of verdicts.keys()) edges.add(number).add(number + 1);
  const ranges: Range[] = [];
  for (const start of [...edges].sort((a, b) => a - b)) {
    const verdict = verdictAt(start);
    const before = ranges.at(-1);
    if (before !== undefined && sameVerdict(before.verdict, verdict)) continue;
    ranges.push({ start, verdict });
  }
  return ranges;
}

/**
 * Verdicts by number, and the newest number that any rule names, even one that only repeats the
 * default: naming a call means knowing it.
 */
function verdictsOf(
  seccomp: LinuxSeccomp,
  name: ArchName,
  byDefault: number,
): { readonly verdicts: ReadonlyMap<number, Verdict>; readonly newest: number | undefined } {
  const table: ReadonlyMap<string, number> = ARCHES[name].syscalls;
  const verdicts = new Map<number, Verdict>();
  const always = new Set<number>();
  let newest: number | undefined;
  for (const call of seccomp.syscalls) {
    const value = returnValue(call.action, call.errnoRet);
    for (const number of numbersOf(call, table)) {
      if (name !== 'SCMP_ARCH_ARM' || number < ARM_PRIVATE_MIN) {
        newest = Math.max(newest ?? 0, number);
      }
      // libseccomp: the first rule without arguments settles a call, before and after.
      if (value === byDefault || always.has(number)) continue;
      const args = call.args ?? [];
      if (args.length === 0) {
        always.add(number);
        verdicts.set(number, { rules: [], otherwise: value });
        continue;
      }
      const before = verdicts.get(number)?.rules ?? [];
      const added = alternatives(args).map((each): ArgRule => ({ args: each, value }));
      verdicts.set(number, { rules: [...before, ...added], otherwise: byDefault });
    }
  }
  return { verdicts, newest };
}

/** Names that this architecture does not have are no error: profiles serve all of them. */
function numbersOf(call: LinuxSyscall, table: ReadonlyMap<string, number>): number[] {
  return call.names.flatMap((name) => {
    const number = table.get(name);
    return number === undefined ? [] : [number];
  });
}

/**
 * Tests of different arguments must all hold. When one argument is tested twice, each test counts
 * alone: libseccomp could not join them, runc split them, and profiles rely on it.
 */
function alternatives(args: readonly SeccompArg[]): readonly (readonly SeccompArg[])[] {
  const distinct = new Set(args.map((arg) => arg.index)).size === args.length;
  return distinct ? [args] : args.map((arg) => [arg]);
}

function sameVerdict(a: Verdict, b: Verdict): boolean {
  return a.otherwise === b.otherwise && a.rules.length === 0 && b.rules.length === 0;
}

/** Binary search: `ranges` is sorted, and the number is at or above the first start. */
function emitTree(assembler: Assembler, ranges: readonly Range[], bits: 32 | 64): Label {
  const [only] = ranges;
  if (only === undefined) return assembler.ret(RET_KILL_PROCESS);
  if (ranges.length === 1) return emitVerdict(assembler, only.verdict, bits);
  const middle = ranges.length >> 1;
  const start = ranges[middle]?.start ?? 0;
  const right = emitTree(assembler, ranges.slice(middle), bits);
  const left = emitTree(assembler, ranges.slice(0, middle), bits);
  return assembler.jump('jge', start, right, left);
}

function emitVerdict(assembler: Assembler, verdict: Verdict, bits: 32 | 64): Label {
  let next = assembler.ret(verdict.otherwise);
  for (const rule of verdict.rules.toReversed()) {
    const matched = assembler.ret(rule.value);
    next = emitConditions(assembler, rule.args, bits, matched, next);
  }
  return next;
}
