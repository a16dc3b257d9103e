// Names and numbers of system calls, and the constants of each architecture. The numbers are
// Linux's and never change (syscalls(2)); each folder mate holds one architecture.
import { AARCH64 } from './aarch64.ts';
import { ARM } from './arm.ts';
import { I386 } from './i386.ts';
import { X32 } from './x32.ts';
import { X86_64 } from './x86-64.ts';

export type SyscallTable = ReadonlyMap<string, number>;

export type Arch = {
  /** linux/audit.h: seccomp_data.arch. */
  readonly audit: number;
  /** Bits of an argument that the kernel looks at. */
  readonly bits: 32 | 64;
  readonly syscalls: SyscallTable;
};

/** __X32_SYSCALL_BIT: x32 calls come under the audit value of x86_64 with this bit set. */
export const X32_SYSCALL_BIT = 0x4000_0000;
/** From here on, numbers are private to 32-bit ARM and say nothing about how new a kernel is. */
export const ARM_PRIVATE_MIN = 0x000f_0000;

const AUDIT_ARCH_X86_64 = 0xc000_003e;

/** By libseccomp's names, which profiles use. */
export const ARCHES = {
  SCMP_ARCH_X86_64: { audit: AUDIT_ARCH_X86_64, bits: 64, syscalls: parse(X86_64) },
  SCMP_ARCH_X86: { audit: 0x4000_0003, bits: 32, syscalls: parse(I386) },
  SCMP_ARCH_X32: { audit: AUDIT_ARCH_X86_64, bits: 64, syscalls: parse(X32, X32_SYSCALL_BIT) },
  SCMP_ARCH_AARCH64: { audit: 0xc000_00b7, bits: 64, syscalls: parse(AARCH64) },
  SCMP_ARCH_ARM: { audit: 0x4000_0028, bits: 32, syscalls: parse(ARM) },
} as const satisfies Record<string, Arch>;
export type ArchName = keyof typeof ARCHES;

export function isArchName(name: string): name is ArchName {
  return Object.hasOwn(ARCHES, name);
}

function parse(text: string, bit = 0): SyscallTable {
  const table = new Map<string, number>();
  for (const line of text.trim().split('\n')) {
    const [first, ...names] = line.split(' ');
    for (const [index, name] of names.entries()) table.set(name, (Number(first) + index) | bit);
  }
  return table;
}
