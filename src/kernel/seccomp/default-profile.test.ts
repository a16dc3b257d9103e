import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_CAPABILITIES } from '../capability/capability.ts';
import { interpret } from './interpret.ts';
import type { NativeArch } from './resolve.ts';
import { defaultFilter } from './seccomp.ts';
import { ARCHES, type ArchName } from './syscall/table.ts';

const ALLOW = 0x7fff_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;
const KILL_PROCESS = 0x8000_0000;

/** hardening.md, B04. */
const REFUSED =
  `syslog uselib ustat sysfs vhangup pivot_root _sysctl acct settimeofday mount umount2
  swapon swapoff reboot sethostname setdomainname iopl ioperm create_module init_module
  delete_module get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall
  security lookup_dcookie clock_settime vserver mbind set_mempolicy get_mempolicy kexec_load add_key
  request_key keyctl migrate_pages unshare move_pages perf_event_open fanotify_init
  open_by_handle_at setns kcmp finit_module kexec_file_load bpf userfaultfd io_uring_setup
  io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_getfd
  process_madvise mount_setattr quotactl_fd set_mempolicy_home_node`.split(/\s+/);

/** hardening.md, B06. */
const ALLOWED = `ptrace process_vm_readv process_vm_writev chroot name_to_handle_at memfd_create
  memfd_secret landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp openat2
  pidfd_open statmount listmount mseal cachestat futex_wait futex_wake futex_requeue
  futex_waitv`.split(/\s+/);

const FACTS = {
  x86_64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  aarch64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
} as const satisfies Record<NativeArch, readonly ArchName[]>;

const EVERY_ARCH = (['x86_64', 'aarch64'] as const).flatMap((native) =>
  FACTS[native].map((arch) => ({ native, arch })),
);

type Options = { readonly caps?: readonly string[]; readonly native?: NativeArch };

function filterFor({ caps = [], native = 'x86_64' }: Options = {}): Uint8Array {
  const all = new Set<string>([...DEFAULT_CAPABILITIES, ...caps]);
  return defaultFilter({ caps: all, arch: native, kernel: [6, 18] }).filter;
}

function call(arch: ArchName, name: string, args: readonly bigint[] = [], options: Options = {}) {
  const nr = (ARCHES[arch].syscalls as ReadonlyMap<string, number>).get(name);
  assert.ok(nr !== undefined, `${arch} has no ${name}`);
  return interpret(filterFor(options), { arch: ARCHES[arch].audit, nr, args }).value;
}

function exists(arch: ArchName, name: string): boolean {
  return ARCHES[arch].syscalls.has(name);
}

test('the 66 system calls of the baseline are refused with EPERM', () => {
  assert.equal(REFUSED.length, 66);
  for (const name of REFUSED) assert.equal(call('SCMP_ARCH_X86_64', name), EPERM, name);
});

test('on x86_64 everything else is allowed, but for clone3 and argument filters', () => {
  const special = new Set([...REFUSED, 'clone', 'clone3', 'personality', 'socket']);
  // Of these two, one needs CAP_SYS_ADMIN and the other only the kernel's own trampoline calls.
  for (const name of ['open_tree_attr', 'uprobe']) {
    assert.equal(call('SCMP_ARCH_X86_64', name), EPERM, name);
    special.add(name);
  }
  for (const name of ARCHES.SCMP_ARCH_X86_64.syscalls.keys()) {
    if (!special.has(name)) assert.equal(call('SCMP_ARCH_X86_64', name), ALLOW, name);
  }
});

test('the same calls are refused and allowed on every architecture', () => {
  for (const { native, arch } of EVERY_ARCH) {
    for (const name of REFUSED.filter((each) => exists(arch, each))) {
      assert.equal(call(arch, name, [], { native }), EPERM, `${arch} ${name}`);
    }
    for (const name of ALLOWED.filter((each) => exists(arch, each))) {
      assert.equal(call(arch, name, [], { native }), ALLOW, `${arch} ${name}`);
    }
    for (const name of ['read', 'write', 'openat', 'execve', 'mmap2', 'mmap', 'ioctl']) {
      if (exists(arch, name)) assert.equal(call(arch, name, [], { native }), ALLOW, name);
    }
  }
});

test('clone may not make namespaces, and clone3 does not exist', () => {
  for (const { native, arch } of EVERY_ARCH) {
    assert.equal(call(arch, 'clone', [0x11n], { native }), ALLOW);
    assert.equal(call(arch, 'clone', [0x003d_0f00n], { native }), ALLOW);
    for (const flag of [
      0x2_0000n,
      1n << 25n,
      1n << 26n,
      1n << 27n,
      1n << 28n,
      1n << 29n,
      1n << 30n,
    ]) {
      assert.equal(call(arch, 'clone', [flag | 0x11n], { native }), EPERM, `${arch} ${flag}`);
    }
    assert.equal(call(arch, 'clone3', [], { native }), ENOSYS);
  }
});

test('personality takes five values', () => {
  for (const { native, arch } of EVERY_ARCH) {
    for (const value of [0n, 8n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn]) {
      assert.equal(call(arch, 'personality', [value], { native }), ALLOW, String(value));
    }
    for (const value of [1n, 9n, 0x4_0000n, 0xffff_fffen]) {
      assert.equal(call(arch, 'personality', [value], { native }), EPERM, String(value));
    }
  }
});

test('socket refuses AF_ALG and AF_VSOCK, also with junk in the upper half', () => {
  for (const { native, arch } of EVERY_ARCH) {
    for (let family = 0n; family < 130n; family += 1n) {
      const expected = family === 38n || family === 40n ? EPERM : ALLOW;
      assert.equal(call(arch, 'socket', [family], { native }), expected, `${arch} ${family}`);
      const junk = family | (1n << 32n);
      assert.equal(call(arch, 'socket', [junk], { native }), expected, `${arch} ${junk}`);
    }
    assert.equal(call(arch, 'socket', [0xffff_ffffn], { native }), ALLOW);
  }
});

test('numbers newer than the profile are unknown, not refused', () => {
  const of = (arch: number, nr: number, native: NativeArch): number =>
    interpret(filterFor({ native }), { arch, nr }).value;
  for (const nr of [470, 1000, 0x3fff_ffff, 0xffff_ffff]) {
    assert.equal(of(ARCHES.SCMP_ARCH_X86_64.audit, nr, 'x86_64'), ENOSYS, String(nr));
    assert.equal(of(ARCHES.SCMP_ARCH_X86.audit, nr, 'x86_64'), ENOSYS, String(nr));
    assert.equal(of(ARCHES.SCMP_ARCH_AARCH64.audit, nr, 'aarch64'), ENOSYS, String(nr));
    assert.equal(of(ARCHES.SCMP_ARCH_ARM.audit, nr, 'aarch64'), ENOSYS, String(nr));
  }
  assert.equal(of(ARCHES.SCMP_ARCH_X86_64.audit, 0x4000_0000 + 548, 'x86_64'), ENOSYS);
  assert.equal(of(ARCHES.SCMP_ARCH_ARM.audit, 0xf_0002, 'aarch64'), ALLOW); // cacheflush
  assert.equal(of(ARCHES.SCMP_ARCH_ARM.audit, 0xf_0009, 'aarch64'), ENOSYS);
});

test('an architecture that the profile does not cover is killed', () => {
  const arch = ARCHES.SCMP_ARCH_AARCH64.audit;
  assert.equal(interpret(filterFor(), { arch, nr: 0 }).value, KILL_PROCESS);
});

test('each capability opens its own group', () => {
  const groups: readonly (readonly [cap: string, names: string])[] = [
    ['CAP_SYS_ADMIN', 'mount umount2 bpf unshare setns clone3 fsopen syslog perf_event_open'],
    ['CAP_SYS_PTRACE', 'kcmp pidfd_getfd process_madvise'],
    ['CAP_SYS_TIME', 'settimeofday clock_settime'],
    ['CAP_SYS_NICE', 'mbind set_mempolicy get_mempolicy set_mempolicy_home_node'],
    ['CAP_SYSLOG', 'syslog'],
    ['CAP_BPF', 'bpf'],
    ['CAP_PERFMON', 'perf_event_open'],
    ['CAP_DAC_READ_SEARCH', 'open_by_handle_at'],
    ['CAP_SYS_MODULE', 'init_module finit_module delete_module'],
    ['CAP_SYS_BOOT', 'reboot'],
    ['CAP_SYS_RAWIO', 'iopl ioperm'],
    ['CAP_SYS_PACCT', 'acct'],
    ['CAP_SYS_TTY_CONFIG', 'vhangup'],
  ];
  for (const [cap, names] of groups) {
    for (const name of names.split(' ')) {
      assert.equal(call('SCMP_ARCH_X86_64', name, [], { caps: [cap] }), ALLOW, `${cap} ${name}`);
    }
  }
  const unsharing = call('SCMP_ARCH_X86_64', 'clone', [1n << 28n], { caps: ['CAP_SYS_ADMIN'] });
  assert.equal(unsharing, ALLOW);
  assert.equal(call('SCMP_ARCH_X86_64', 'keyctl', [], { caps: ['CAP_SYS_ADMIN'] }), EPERM);
});

test('the filter is short, and a common call passes in few instructions', () => {
  const filter = filterFor();
  assert.ok(filter.length / 8 < 800, `${filter.length / 8} instructions`);
  for (const name of ['read', 'write', 'openat', 'close', 'futex', 'epoll_wait', 'mmap', 'statx']) {
    const nr = ARCHES.SCMP_ARCH_X86_64.syscalls.get(name) ?? -1;
    const { steps } = interpret(filter, { arch: ARCHES.SCMP_ARCH_X86_64.audit, nr });
    assert.ok(steps <= 13, `${name} takes ${steps}`);
  }
});
