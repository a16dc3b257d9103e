import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEngineError } from '#base/error.ts';
import { returnValue } from './action.ts';
import { compileSeccomp } from './compile.ts';
import { interpret } from './interpret.ts';
import {
  type LinuxSeccomp,
  type LinuxSyscall,
  OPERATORS,
  parseProfile,
  parseProfileText,
  type SeccompArg,
} from './profile.ts';
import { resolveProfile } from './resolve.ts';
import { compileProfile } from './seccomp.ts';
import { ARCHES, type ArchName } from './syscall/table.ts';

const ALL_X86 = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'] as const;
const FACTS = { caps: new Set<string>(), arch: 'x86_64', kernel: [6, 18] } as const;
const ALLOW = 0x7fff_0000;

function holds(arg: SeccompArg, args: readonly bigint[], bits: number): boolean {
  const cut = (value: bigint | number): bigint => BigInt.asUintN(bits, BigInt(value));
  const got = cut(args[arg.index] ?? 0n);
  const value = cut(arg.value);
  switch (arg.op) {
    case 'SCMP_CMP_NE':
      return got !== value;
    case 'SCMP_CMP_LT':
      return got < value;
    case 'SCMP_CMP_LE':
      return got <= value;
    case 'SCMP_CMP_EQ':
      return got === value;
    case 'SCMP_CMP_GE':
      return got >= value;
    case 'SCMP_CMP_GT':
      return got > value;
    case 'SCMP_CMP_MASKED_EQ':
      return (got & value) === (cut(arg.valueTwo) & value);
    default:
      return arg.op satisfies never;
  }
}

/** Says what a profile means, slowly: one rule after another, by name. */
function evaluate(seccomp: LinuxSeccomp, arch: ArchName, nr: number, args: readonly bigint[]) {
  const table: ReadonlyMap<string, number> = ARCHES[arch].syscalls;
  const byDefault = returnValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const value = (rule: LinuxSyscall): number => returnValue(rule.action, rule.errnoRet);
  const known = seccomp.syscalls
    .flatMap((rule) => rule.names)
    .flatMap((name) => table.get(name) ?? []);
  const mine = seccomp.syscalls.filter(
    (rule) => value(rule) !== byDefault && rule.names.some((name) => table.get(name) === nr),
  );
  const always = mine.find((rule) => (rule.args ?? []).length === 0);
  if (always !== undefined) return value(always);
  for (const rule of mine) {
    const tests = rule.args ?? [];
    const twice = new Set(tests.map((each) => each.index)).size < tests.length;
    const match = (each: SeccompArg): boolean => holds(each, args, ARCHES[arch].bits);
    if (twice ? tests.some(match) : tests.every(match)) return value(rule);
  }
  const refuses = !['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'].includes(
    seccomp.defaultAction,
  );
  return refuses && known.length > 0 && nr > Math.max(...known) ? 0x0005_0026 : byDefault;
}

const word = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.bigInt(0n, 3n),
  fc.constantFrom(1n << 32n, (1n << 32n) + 1n, 0xffff_ffffn, 2n ** 64n - 1n),
);
const arg = fc.record({
  index: fc.integer({ min: 0, max: 5 }),
  value: word,
  valueTwo: word,
  op: fc.constantFrom(...OPERATORS),
});
const action = fc.constantFrom(
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_LOG',
  'SCMP_ACT_TRACE',
  'SCMP_ACT_TRAP',
);
const NAMES = [...ARCHES.SCMP_ARCH_X86_64.syscalls.keys(), 'socketcall', 'no_such_call'];
const rule = fc.record({
  names: fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 40 }),
  action,
  errnoRet: fc.integer({ min: 0, max: 100 }),
  args: fc.array(arg, { maxLength: 3 }),
});
const profile = fc.record({
  defaultAction: action,
  defaultErrnoRet: fc.integer({ min: 0, max: 100 }),
  architectures: fc.constant(ALL_X86),
  syscalls: fc.array(rule, { maxLength: 12 }),
});

test('a compiled filter agrees with the profile for any call', () => {
  fc.assert(
    fc.property(
      profile,
      fc.array(
        fc.tuple(
          fc.constantFrom(...ALL_X86),
          fc.integer({ min: 0, max: 600 }),
          fc.array(word, { minLength: 6, maxLength: 6 }),
        ),
        { minLength: 20, maxLength: 20 },
      ),
      (seccomp, calls) => {
        const { filter } = compileSeccomp(seccomp, 'x86_64');
        for (const [arch, number, args] of calls) {
          const nr = arch === 'SCMP_ARCH_X32' ? number + 0x4000_0000 : number;
          const got = interpret(filter, { arch: ARCHES[arch].audit, nr, args }).value;
          assert.equal(got, evaluate(seccomp, arch, nr, args), `${arch} ${number}`);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('every number that a rule with arguments names is tested on its arguments', () => {
  // Long enough for jumps over 255 instructions.
  const syscalls = NAMES.map(
    (name, index): LinuxSyscall => ({
      names: [name],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: index, valueTwo: 0, op: 'SCMP_CMP_EQ' }],
    }),
  );
  const seccomp: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls,
  };
  const { filter } = compileSeccomp(seccomp, 'x86_64');
  for (const [name, nr] of ARCHES.SCMP_ARCH_X86_64.syscalls) {
    const right = BigInt(NAMES.indexOf(name));
    for (const args of [[right], [right + 1n], [right | (1n << 40n)]]) {
      const got = interpret(filter, { arch: ARCHES.SCMP_ARCH_X86_64.audit, nr, args }).value;
      assert.equal(got, evaluate(seccomp, 'SCMP_ARCH_X86_64', nr, args), name);
    }
  }
});

test('a profile too long for the kernel is refused, not cut', () => {
  const args = Array.from(
    { length: 6 },
    (_, index): SeccompArg => ({
      index,
      value: 1n << 40n,
      valueTwo: 0,
      op: 'SCMP_CMP_GT',
    }),
  );
  const syscalls = NAMES.map(
    (name): LinuxSyscall => ({ names: [name], action: 'SCMP_ACT_ALLOW', args }),
  );
  assert.throws(
    () =>
      compileSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', architectures: [], syscalls }, 'x86_64'),
    (error) => isEngineError(error, 'invalid_argument') && /4096/.test(error.message),
  );
});

test('without x32 and x86 in the profile, their calls are killed', () => {
  const { filter } = compileSeccomp(
    { defaultAction: 'SCMP_ACT_ALLOW', architectures: [], syscalls: [] },
    'x86_64',
  );
  const arch = ARCHES.SCMP_ARCH_X86_64.audit;
  assert.equal(interpret(filter, { arch, nr: 0 }).value, ALLOW);
  assert.equal(interpret(filter, { arch, nr: 0x4000_0000 }).value, 0x8000_0000);
  assert.equal(interpret(filter, { arch: ARCHES.SCMP_ARCH_X86.audit, nr: 0 }).value, 0x8000_0000);
});

test('flags are those of seccomp(2), SPEC_ALLOW when none are named', () => {
  const base = { defaultAction: 'SCMP_ACT_ALLOW', architectures: [], syscalls: [] } as const;
  assert.equal(compileSeccomp(base, 'x86_64').flags, 4);
  assert.equal(compileSeccomp({ ...base, flags: [] }, 'x86_64').flags, 0);
  assert.equal(compileSeccomp({ ...base, flags: ['SECCOMP_FILTER_FLAG_LOG'] }, 'x86_64').flags, 2);
  assert.throws(
    () => compileSeccomp({ ...base, flags: ['X'] }, 'x86_64'),
    (error) => isEngineError(error, 'invalid_argument'),
  );
});

test('conditions on capabilities, architecture and kernel choose the rules', () => {
  const parsed = parseProfile({
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
    syscalls: [
      { names: ['read'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_A', 'CAP_B'] } },
      { names: ['write'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_A', 'CAP_C'] } },
      { name: 'open', action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
      { names: ['close'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '6.19' } },
      { names: ['stat'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } },
    ],
  });
  assert.ok(parsed);
  const names = (caps: string[]): string[] =>
    resolveProfile(parsed, { ...FACTS, caps: new Set(caps) }).syscalls.flatMap(
      (each) => each.names,
    );
  assert.deepEqual(names([]), ['write', 'open']);
  assert.deepEqual(names(['CAP_A', 'CAP_B']), ['read', 'open']);
  assert.deepEqual(resolveProfile(parsed, FACTS).architectures, [
    'SCMP_ARCH_X86_64',
    'SCMP_ARCH_X86',
  ]);
});

test('parseProfileText() keeps 64-bit values exact', () => {
  const parsed = parseProfileText(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{
    "names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":5,
    "args":[{"index":2,"value":18446744073709551615,"op":"SCMP_CMP_EQ"}]}]}`);
  assert.ok(parsed);
  assert.equal(parsed.syscalls[0]?.args?.[0]?.value, 2n ** 64n - 1n);
  const { filter } = compileProfile(parsed, FACTS);
  const arch = ARCHES.SCMP_ARCH_X86_64.audit;
  assert.equal(interpret(filter, { arch, nr: 0, args: [0n, 0n, 2n ** 64n - 1n] }).value, 0x5_0005);
  assert.equal(interpret(filter, { arch, nr: 0, args: [0n, 0n, 2n ** 64n - 2n] }).value, ALLOW);
});

test('a profile that says nothing is no profile', () => {
  assert.equal(parseProfile({}), undefined);
  assert.equal(parseProfileText('{"syscalls":null}'), undefined);
});

test('the names of fields may be written in other letters, as Go takes them', () => {
  const folded = parseProfileText(
    '{"DefaultAction":"SCMP_ACT_ERRNO","SYSCALLS":[{"Names":["read"],"Action":"SCMP_ACT_ALLOW",' +
      '"Args":[{"Index":1,"Value":2,"OP":"SCMP_CMP_EQ"}],"Includes":{"Caps":["CAP_X"]}}]}',
  );
  assert.deepEqual(folded, {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [
      {
        names: ['read'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 1, value: 2, valueTwo: 0, op: 'SCMP_CMP_EQ' }],
        includes: { caps: ['CAP_X'], arches: [] },
      },
    ],
  });
});

test('data of TRACE has 16 bits, an errno is one of the kernel', () => {
  assert.equal(returnValue('SCMP_ACT_TRACE', 0xffff), 0x7ff0_ffff);
  assert.throws(() => returnValue('SCMP_ACT_TRACE', 0x1_0000));
  assert.throws(() => returnValue('SCMP_ACT_ERRNO', 4096));
});

test('malformed profiles are refused with the words of Docker', () => {
  const ok = { names: ['read'], action: 'SCMP_ACT_ALLOW' };
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /^Decoding seccomp profile failed: the profile is not an object$/],
    [{ defaultAction: 'X' }, /^string X is not a valid action for seccomp$/],
    [{ defaultAction: 'SCMP_ACT_NOTIFY' }, /SCMP_ACT_NOTIFY is not supported/],
    [{ defaultAction: 5 }, /^Decoding seccomp profile failed: defaultAction is not a text$/],
    [{ defaultAction: 'SCMP_ACT_KILL', syscalls: {} }, /syscalls is not a list$/],
    [
      { defaultAction: 'SCMP_ACT_KILL', syscalls: [{ ...ok, name: 'write' }] },
      /^both 'name' and 'names' are specified in the seccomp profile, use either/,
    ],
    [
      {
        defaultAction: 'SCMP_ACT_KILL',
        architectures: ['SCMP_ARCH_X86'],
        archMap: [{ architecture: 'SCMP_ARCH_X86_64' }],
      },
      /^both 'architectures' and 'archMap' are specified in the seccomp profile, use either/,
    ],
    [
      { defaultAction: 'SCMP_ACT_KILL', syscalls: [{ ...ok, args: [{ index: 0, op: 'EQ' }] }] },
      /^string EQ is not a valid operator for seccomp$/,
    ],
    [
      {
        defaultAction: 'SCMP_ACT_KILL',
        syscalls: [{ ...ok, args: [{ index: 6, value: 1, op: 'SCMP_CMP_EQ' }] }],
      },
      /index 6 is not an argument$/,
    ],
    [
      {
        defaultAction: 'SCMP_ACT_KILL',
        syscalls: [{ ...ok, args: [{ index: 0, value: -1, op: 'SCMP_CMP_EQ' }] }],
      },
      /value is not an unsigned 64-bit number$/,
    ],
  ];
  for (const [value, message] of cases) {
    assert.throws(
      () => parseProfile(value),
      (error) => isEngineError(error, 'invalid_argument') && message.test(error.message),
      String(message),
    );
  }
  assert.throws(
    () => parseProfileText('{'),
    (error) =>
      isEngineError(error, 'invalid_argument') &&
      error.message.startsWith('Decoding seccomp profile failed: '),
  );
  const bad = { defaultAction: 'SCMP_ACT_KILL', architectures: ['amd64'], syscalls: [] } as const;
  assert.throws(
    () => compileSeccomp(bad, 'x86_64'),
    (error) => isEngineError(error) && /^string amd64 is not a valid arch/.test(error.message),
  );
});
