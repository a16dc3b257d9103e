// Tests of system call arguments. BPF loads 32 bits at a time, so a 64-bit comparison looks at
// the high half first. On 32-bit architectures only the low half exists.
import type { Assembler, Label } from './assembler.ts';
import type { SeccompArg } from './profile.ts';

/** struct seccomp_data: args[] follows nr, arch and instruction_pointer. */
const ARGS_OFFSET = 16;
const LOW = 0xffff_ffffn;

/** All must hold to get to `whenTrue`. */
export function emitConditions(
  assembler: Assembler,
  args: readonly SeccompArg[],
  bits: 32 | 64,
  whenTrue: Label,
  whenFalse: Label,
): Label {
  let next = whenTrue;
  for (const arg of args.toReversed()) {
    next = emitCondition(assembler, arg, bits, next, whenFalse);
  }
  return next;
}

function emitCondition(
  assembler: Assembler,
  arg: SeccompArg,
  bits: 32 | 64,
  whenTrue: Label,
  whenFalse: Label,
): Label {
  const offset = ARGS_OFFSET + arg.index * 8;
  const value = BigInt(arg.value);
  const order = (test: 'jge' | 'jgt', yes: Label, no: Label): Label =>
    emitOrder(assembler, test, offset, value, bits, yes, no);
  switch (arg.op) {
    case 'SCMP_CMP_EQ':
      return emitEqual(assembler, offset, value, undefined, bits, whenTrue, whenFalse);
    case 'SCMP_CMP_NE':
      return emitEqual(assembler, offset, value, undefined, bits, whenFalse, whenTrue);
    case 'SCMP_CMP_MASKED_EQ':
      // libseccomp cuts what it compares with as well.
      return emitEqual(
        assembler,
        offset,
        BigInt(arg.valueTwo) & value,
        value,
        bits,
        whenTrue,
        whenFalse,
      );
    case 'SCMP_CMP_GE':
      return order('jge', whenTrue, whenFalse);
    case 'SCMP_CMP_LT':
      return order('jge', whenFalse, whenTrue);
    case 'SCMP_CMP_GT':
      return order('jgt', whenTrue, whenFalse);
    case 'SCMP_CMP_LE':
      return order('jgt', whenFalse, whenTrue);
    default:
      return arg.op satisfies never;
  }
}

function emitEqual(
  assembler: Assembler,
  offset: number,
  value: bigint,
  mask: bigint | undefined,
  bits: 32 | 64,
  yes: Label,
  no: Label,
): Label {
  const half = (at: number, shift: bigint, next: Label): Label => {
    const wanted = Number((value >> shift) & LOW);
    const kept = mask === undefined ? LOW : (mask >> shift) & LOW;
    // Nothing of this half is looked at: it always matches.
    if (kept === 0n && wanted === 0) return next;
    const test = assembler.jump('jeq', wanted, next, no);
    return assembler.load(at, kept === LOW ? test : assembler.and(Number(kept), test));
  };
  const low = half(offset, 0n, yes);
  return bits === 64 ? half(offset + 4, 32n, low) : low;
}

function emitOrder(
  assembler: Assembler,
  test: 'jge' | 'jgt',
  offset: number,
  value: bigint,
  bits: 32 | 64,
  yes: Label,
  no: Label,
): Label {
  const low = assembler.load(offset, assembler.jump(test, Number(value & LOW), yes, no));
  if (bits === 32) return low;
  const high = Number(value >> 32n);
  const equal = assembler.jump('jeq', high, low, no);
  return assembler.load(offset + 4, assembler.jump('jgt', high, yes, equal));
}
