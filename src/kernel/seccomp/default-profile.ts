// The default seccomp profile, our own: what programs in containers need is allowed, what only an
// administrator of the host needs is refused, and a capability given to the container opens the
// calls that it is about. The behaviour is Docker's (hardening.md, B03 to B06).
import { CLONE } from '../namespace/namespace.ts';
import { ERRNO } from './action.ts';
import type { ProfileRule, SeccompArg, SeccompProfile } from './profile.ts';

const FILES = `
  access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat
  faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32
  fchownat fcntl fcntl64 fdatasync file_getattr file_setattr flock fstat fstat64 fstatat64 fstatfs
  fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 ioctl lchown lchown32
  link linkat listmount lseek _llseek lstat lstat64 mkdir mkdirat mknod mknodat
  name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2
  read readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile sendfile64
  splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs
  tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice
  write writev`;

const EXTENDED_ATTRIBUTES = `
  fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
  llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`;

/** Waiting for files, and the asynchronous interfaces that are old enough to be trusted. */
const EVENTS = `
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
  epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1
  inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup
  io_submit _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4
  timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64`;

const MEMORY = `
  brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2
  mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free
  pkey_mprotect process_mrelease remap_file_pages`;

const PROCESSES = `
  execve execveat exit exit_group fork vfork getpgid getpgrp getpid getppid getpriority getrlimit
  getrusage getsid gettid kill pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall setpgid
  setpriority setrlimit setsid tgkill times tkill ugetrlimit wait4 waitid waitpid`;

const SCHEDULING = `
  getcpu ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min sched_getaffinity
  sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
  sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
  sched_yield`;

const THREADS = `
  futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list
  get_thread_area rseq set_robust_list set_thread_area set_tid_address`;

const SIGNALS = `
  alarm pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
  rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn`;

/** Changing identity is judged by the kernel: within a container's own capabilities. */
const IDENTITY = `
  capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid
  getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid
  setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32
  setreuid setreuid32 setuid setuid32`;

const TIME = `
  adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
  clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer
  time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
  timer_settime64`;

/** socketcall hides its arguments behind a pointer; 32-bit programs cannot do without it. */
const SOCKETS = `
  accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
  recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`;

const INTERPROCESS = `
  ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
  mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop
  semtimedop semtimedop_time64 shmat shmctl shmdt shmget`;

/** Programs that lock themselves in further. */
const SELF_RESTRICTION = `
  landlock_add_rule landlock_create_ruleset landlock_restrict_self lsm_get_self_attr
  lsm_list_modules lsm_set_self_attr seccomp`;

const SYSTEM = 'getrandom sysinfo uname uretprobe';

const ALWAYS = [
  FILES,
  EXTENDED_ATTRIBUTES,
  EVENTS,
  MEMORY,
  PROCESSES,
  SCHEDULING,
  THREADS,
  SIGNALS,
  IDENTITY,
  TIME,
  SOCKETS,
  INTERPROCESS,
  SELF_RESTRICTION,
  SYSTEM,
];

/** What each capability opens. */
const BY_CAPABILITY: Readonly<Record<string, string>> = {
  CAP_BPF: 'bpf',
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_PERFMON: 'perf_event_open',
  CAP_SYS_ADMIN: `
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount
    mount_setattr move_mount open_tree open_tree_attr perf_event_open quotactl quotactl_fd
    setdomainname sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module finit_module init_module',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'ioperm iopl',
  CAP_SYS_TIME: 'clock_settime clock_settime64 settimeofday stime',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYSLOG: 'syslog',
};

/** Flags of clone(2) that make a namespace: 0x7e020000. NEWTIME is not one: it is a signal bit. */
const NAMESPACE_FLAGS =
  CLONE.NEWNS |
  CLONE.NEWCGROUP |
  CLONE.NEWUTS |
  CLONE.NEWIPC |
  CLONE.NEWUSER |
  CLONE.NEWPID |
  CLONE.NEWNET;

/** Execution domains that only change how a program sees itself (personality(2)). */
const PERSONALITIES = [
  0x0, // PER_LINUX
  0x8, // PER_LINUX32
  0x2_0000, // UNAME26
  0x2_0008,
  0xffff_ffff, // asks for the current one
];

/**
 * Every address family but AF_ALG (38) and AF_VSOCK (40), which reach into the kernel and out to
 * the hypervisor: as [mask, value] pairs over the low half of the argument, since the kernel takes
 * an int there. Comparing all 64 bits would let 0x100000026 pass for another family.
 */
const FAMILIES: readonly (readonly [mask: number, value: number])[] = [
  [0xffff_ffe0, 0], // 0 to 31
  [0xffff_fffc, 32], // 32 to 35
  [0xffff_fffe, 36], // 36 and 37
  [0xffff_ffff, 39],
  [0xffff_ffff, 41],
  [0xffff_fffe, 42], // 42 and 43
  [0xffff_fffc, 44], // 44 to 47
  // 48 and above do not exist yet. Any of the bits 6 to 31 puts a family there, or 16 with 32.
  [0xffff_fff0, 48],
  ...Array.from({ length: 26 }, (_, bit) => {
    const high = (1 << (bit + 6)) >>> 0;
    return [high, high] as const;
  }),
];

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function masked(mask: number, value: number): SeccompArg {
  return { index: 0, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' };
}

function allow(names: string, more: Partial<ProfileRule> = {}): ProfileRule {
  return { names: words(names), action: 'SCMP_ACT_ALLOW', ...more };
}

export const DEFAULT_PROFILE: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: ERRNO.EPERM,
  archMap: [
    {
      architecture: 'SCMP_ARCH_X86_64',
      subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    allow(ALWAYS.join(' ')),
    // Before 4.8 a tracer could change a call after the filter had seen it (seccomp(2)).
    allow('process_vm_readv process_vm_writev ptrace', { includes: { minKernel: [4, 8] } }),
    ...FAMILIES.map(([mask, value]) => allow('socket', { args: [masked(mask, value)] })),
    ...PERSONALITIES.map((value) =>
      allow('personality', { args: [{ index: 0, value, valueTwo: 0, op: 'SCMP_CMP_EQ' }] }),
    ),
    allow('arch_prctl modify_ldt', { includes: { arches: ['amd64'] } }),
    allow('arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2', {
      includes: { arches: ['arm64'] },
    }),
    ...Object.entries(BY_CAPABILITY).map(([cap, names]) =>
      allow(names, { includes: { caps: [cap] } }),
    ),
    allow('clone', {
      args: [masked(NAMESPACE_FLAGS, 0)],
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    }),
    // Its flags are behind a pointer. ENOSYS makes C libraries fall back to clone.
    {
      names: ['clone3'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: ERRNO.ENOSYS,
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
  ],
};
