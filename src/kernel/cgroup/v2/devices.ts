// v2 has no device files: a BPF_PROG_TYPE_CGROUP_DEVICE program decides (cgroup-v2.rst, "Device
// controller"). The rules are folded exactly as the v1 files would fold them, then compiled, so
// that a container gets the same answers under both versions.
import { type DeviceException, type DeviceList, foldDeviceRules } from '../device-list.ts';
import type { DeviceRule } from '../device-rule.ts';
import type { CgroupDeviceStep } from '../step.ts';

// linux/bpf.h: BPF_DEVCG_DEV_*
const TYPE = { b: 1, c: 2 } as const;

export function planDevices(directory: string, rules: readonly DeviceRule[]): CgroupDeviceStep[] {
  const insns = programOf(rules);
  // Without a program everything is allowed: attaching one would only cost.
  return insns.length === 0 ? [] : [{ op: 'cgroup_device', path: directory, insns }];
}

/** The program is replaced in one step; one that would allow everything is taken away. */
export function planDeviceChange(
  directory: string,
  before: readonly DeviceRule[],
  after: readonly DeviceRule[],
): { readonly step: CgroupDeviceStep; readonly undo: readonly CgroupDeviceStep[] }[] {
  const [was, is] = [before, after].map(programOf);
  if (was === undefined || is === undefined || Buffer.from(was).equals(is)) return [];
  const replace = (insns: Uint8Array): CgroupDeviceStep => ({
    op: 'cgroup_device_replace',
    path: directory,
    insns,
  });
  return [{ step: replace(is), undo: [replace(was)] }];
}

function programOf(rules: readonly DeviceRule[]): Uint8Array {
  const list = foldDeviceRules(rules);
  return list.allow && list.exceptions.length === 0 ? new Uint8Array(0) : compileDeviceList(list);
}

// linux/bpf_common.h and bpf.h
const LDX_MEM_W = 0x61;
const ALU_AND_K = 0x54; // 32-bit
const ALU_RSH_K = 0x74;
const ALU_MOV_X = 0xbc;
const MOV_K = 0xb7; // 64-bit
const JNE_K = 0x55;
const JNE_X = 0x5d;
const JEQ_K = 0x15;
const EXIT = 0x95;
const R = { result: 0, context: 1, type: 2, access: 3, major: 4, minor: 5, scratch: 6 } as const;
// struct bpf_cgroup_dev_ctx { access_type = access << 16 | type, major, minor }
const OFFSET = { accessType: 0, major: 4, minor: 8 } as const;

type Insn = {
  readonly code: number;
  readonly dst?: number;
  readonly src?: number;
  readonly off?: number;
  readonly imm?: number;
};

/** struct bpf_insn[] in little-endian bytes, ready for BPF_PROG_LOAD. */
export function compileDeviceList(list: DeviceList): Uint8Array {
  const program: Insn[] = [
    { code: LDX_MEM_W, dst: R.type, src: R.context, off: OFFSET.accessType },
    { code: ALU_MOV_X, dst: R.access, src: R.type },
    { code: ALU_AND_K, dst: R.type, imm: 0xffff },
    { code: ALU_RSH_K, dst: R.access, imm: 16 },
    { code: LDX_MEM_W, dst: R.major, src: R.context, off: OFFSET.major },
    { code: LDX_MEM_W, dst: R.minor, src: R.context, off: OFFSET.minor },
  ];
  for (const exception of list.exceptions) program.push(...compileException(exception, list.allow));
  program.push({ code: MOV_K, dst: R.result, imm: list.allow ? 1 : 0 }, { code: EXIT });
  return encode(program);
}

/** One block: falls through to its answer on a match, else jumps past its end. */
function compileException(exception: DeviceException, defaultAllow: boolean): Insn[] {
  const block: Insn[] = [{ code: JNE_K, dst: R.type, imm: TYPE[exception.type] }];
  if (exception.major !== undefined) {
    block.push({ code: JNE_K, dst: R.major, imm: exception.major });
  }
  if (exception.minor !== undefined) {
    block.push({ code: JNE_K, dst: R.minor, imm: exception.minor });
  }
  block.push(
    { code: ALU_MOV_X, dst: R.scratch, src: R.access },
    { code: ALU_AND_K, dst: R.scratch, imm: exception.access },
    // Refused as soon as one asked right is refused; allowed only when all are allowed.
    defaultAllow
      ? { code: JEQ_K, dst: R.scratch, imm: 0 }
      : { code: JNE_X, dst: R.scratch, src: R.access },
    { code: MOV_K, dst: R.result, imm: defaultAllow ? 0 : 1 },
    { code: EXIT },
  );
  const jumps: readonly number[] = [JNE_K, JNE_X, JEQ_K];
  return block.map((insn, index) =>
    jumps.includes(insn.code) ? { ...insn, off: block.length - index - 1 } : insn,
  );
}

function encode(program: readonly Insn[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, insn] of program.entries()) {
    const at = index * 8;
    view.setUint8(at, insn.code);
    view.setUint8(at + 1, (insn.dst ?? 0) | ((insn.src ?? 0) << 4));
    view.setInt16(at + 2, insn.off ?? 0, true);
    view.setInt32(at + 4, insn.imm ?? 0, true);
  }
  return bytes;
}
