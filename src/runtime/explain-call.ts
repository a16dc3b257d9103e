// An operation as the system calls that it is, in strace's style. Complete by type.
import { namesOf } from '#kernel/capability/capability.ts';
import { MOUNT_ATTR, MS } from '#kernel/mount/flags.ts';
import { CLONE } from '#kernel/namespace/namespace.ts';
import { BIND, type Op, type OpName, type OpOf } from '#kernel/native/op.ts';
import { RLIMIT } from './identity-ops.ts';

type Callers = { readonly [K in OpName]: (op: OpOf<K>) => string };

export function callText(op: Op): string {
  // The map pairs each name with a function of the same operation; TypeScript cannot follow that.
  return (CALLS[op.op] as (op: Op) => string)(op);
}

/** A text longer than this is shown by its beginning. */
const TEXT_MAX = 160;

function q(text: string): string {
  const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}...` : text;
  return JSON.stringify(short);
}

function octal(mode: number | bigint): string {
  return `0${mode.toString(8)}`;
}

function flags(
  prefix: string,
  table: Readonly<Record<string, number>>,
  value: number | bigint,
): string {
  let rest = Number(value);
  const names: string[] = [];
  for (const [name, bit] of Object.entries(table)) {
    if (bit === 0 || (rest & bit) !== bit) continue;
    names.push(`${prefix}${name}`);
    rest &= ~bit;
  }
  if (rest !== 0) names.push(`0x${rest.toString(16)}`);
  return names.length === 0 ? '0' : names.join('|');
}

// The mask of atime modes is no flag of its own.
const { ATIME: _mask, ...ATTRS } = MOUNT_ATTR;
const attrs = (value: number | bigint): string => flags('MOUNT_ATTR_', ATTRS, value);
const ms = (value: number | bigint): string => flags('MS_', MS, value);
const clone = (value: number | bigint): string => flags('CLONE_', CLONE, value);

function rlim(value: number | bigint): string {
  return BigInt(value) === 0xffff_ffff_ffff_ffffn ? 'RLIM_INFINITY' : String(value);
}

function caps(mask: number | bigint): string {
  const names = namesOf(BigInt(mask));
  if (names.length === 0) return '0';
  const hex = BigInt(mask).toString(16).padStart(16, '0');
  return `0x${hex} /* ${names.map((name) => name.slice(4)).join(' ')} */`;
}

function fsmount(
  fstype: string,
  source: string,
  target: string,
  attr: number | bigint,
  options: readonly string[],
): string {
  const settings = [...(source === '' ? [] : [`source=${source}`]), ...options].join(',');
  return (
    `fsopen(${q(fstype)}); fsconfig(${q(settings)}); fsmount(${attrs(attr)}); ` +
    `move_mount(${q(target)})`
  );
}

function bindText(op: OpOf<'bind'>): string {
  const copied = Number(op.flags) & BIND.RECURSIVE ? '|AT_RECURSIVE' : '';
  const calls = [`open_tree(${q(op.source)}, OPEN_TREE_CLONE${copied})`];
  if (op.attr_set !== 0 || op.attr_clear !== 0) {
    const all = Number(op.flags) & BIND.ATTR_RECURSIVE ? 'AT_RECURSIVE, ' : '';
    const clear = op.attr_clear === 0 ? '' : `, clear ${attrs(op.attr_clear)}`;
    calls.push(`mount_setattr(${all}set ${attrs(op.attr_set)}${clear})`);
  }
  calls.push(`mount_setattr(propagation ${ms(op.propagation)})`, `move_mount(${q(op.target)})`);
  return calls.join('; ');
}

function treeText(name: string): (op: { readonly path: string }) => string {
  return (op) => `${name}(${q(op.path)})`;
}

const CALLS: Callers = {
  mkdir: (op) => `mkdir(${q(op.path)}, ${octal(op.mode)})`,
  read: (op) => `read(open(${q(op.path)}))`,
  remove_tree: (op) => `unlinkat(${q(op.path)} and all below it)`,
  cgroup_write: (op) => `write(open(${q(op.path)}), ${q(op.value)})`,
  cgroup_device: (op) =>
    `bpf(BPF_PROG_LOAD, BPF_PROG_TYPE_CGROUP_DEVICE, ${op.insns.length / 8} instructions); ` +
    `bpf(BPF_PROG_ATTACH, ${q(op.path)})`,
  cgroup_device_replace: (op) =>
    op.insns.length === 0
      ? `bpf(BPF_PROG_DETACH, ${q(op.path)})`
      : `bpf(BPF_PROG_ATTACH, ${q(op.path)}, BPF_F_REPLACE)`,
  cgroup_mount: (op) =>
    `mount(${q(op.source)}, ${q(op.path)}, "cgroup", MS_NOSUID|MS_NODEV|MS_NOEXEC, ` +
    `${q(op.controllers)})`,
  cgroup_unmount: (op) => `umount(${q(op.path)})`,
  cgroup_kill: (op) => `write(open(${q(`${op.path}/cgroup.kill`)}), "1")`,
  cgroup_rmdir: (op) => `rmdir(${q(op.path)})`,
  monitor: (op) => `fork(); listen(${q(`${op.directory}/monitor.sock`)})`,
  netns_create: (op) => `unshare(CLONE_NEWNET); mount("/proc/self/ns/net", "${op.path}", MS_BIND)`,
  netns_pin: (op) => `mount(${q(op.namespace)}, ${q(op.path)}, NULL, MS_BIND)`,
  netns_delete: (op) => `umount2("${op.path}", MNT_DETACH); unlink("${op.path}")`,
  netlink: (op) => `sendto(netlink, ${op.messages.length} bytes) in ${op.namespace || 'the host'}`,
  netns_sysctl: (op) => `write(open("/proc/sys/${op.key.replaceAll('.', '/')}"), "${op.value}")`,
  port_hold: (op) => `bind(socket(${op.protocol}), port ${op.port})`,
  port_release: (op) => `close(the socket of port ${op.port})`,
  userns: (op) =>
    `unshare(CLONE_NEWUSER); write("uid_map", ${q(op.uid_map)}); ` +
    `write("gid_map", ${q(op.gid_map)})`,
  root_overlay: (op) =>
    `fsopen("overlay"); ${op.lower.map((path) => `fsconfig("lowerdir+", ${q(path)}); `).join('')}` +
    `fsconfig("upperdir", ${q(op.upper)}); fsconfig("workdir", ${q(op.work)}); ` +
    `${op.options.map((option) => `fsconfig(${q(option)}); `).join('')}fsmount(0)`,
  root_overlay_joined: (op) =>
    `fsopen("overlay"); fsconfig("lowerdir", ${q(op.lower.join(':'))}); ` +
    `fsconfig("upperdir", ${q(op.upper)}); fsconfig("workdir", ${q(op.work)}); ` +
    `${op.options.map((option) => `fsconfig(${q(option)}); `).join('')}fsmount(0)`,
  root_bind: (op) => `open_tree(${q(op.path)}, OPEN_TREE_CLONE|AT_RECURSIVE)`,
  cgroup_join: (op) => `write(open(${q(`${op.path}/tasks`)}), "0")`,
  cgroup_into: (op) => `clone3(CLONE_INTO_CGROUP, open(${q(op.path)}, O_PATH))`,
  join_init: (op) => `setns(pidfd_open(init), ${clone(op.flags)})`,
  join_userns: () => 'setns(userns, CLONE_NEWUSER); setresgid(0, 0, 0); setresuid(0, 0, 0)',
  setns: (op) => `setns(open(${q(op.path)}), ${clone(op.flag)})`,
  unshare: (op) => `unshare(${clone(op.flags)})`,
  hostname: (op) => `sethostname(${q(op.name)})`,
  domainname: (op) => `setdomainname(${q(op.name)})`,
  propagation: (op) => `mount(NULL, "/", NULL, ${ms(op.flags)})`,
  root_attach: (op) => `move_mount(root, ${q(op.directory)})`,
  mount: (op) => fsmount(op.fstype, op.source, op.target, op.attr, op.options),
  bind: bindText,
  tmpfs: ({ target, attr, options }) =>
    `${fsmount('tmpfs', 'tmpfs', target, attr, options)}; fchmodat(${q(target)}, as what it covers)`,
  directory: (op) => `mkdirat(${q(op.path)}, ${octal(op.mode)}); fchownat(${op.uid}, ${op.gid})`,
  file: (op) => `openat(${q(op.path)}, O_CREAT, ${octal(op.mode)})`,
  unlink_links: (op) => `unlinkat(${op.paths.map(q).join(', ')}, each that is a symbolic link)`,
  symlink: (op) => `symlinkat(${q(op.target)}, ${q(op.path)})`,
  node: (op) => `mknodat(${q(op.path)}, ${octal(op.mode)}, makedev(${op.major}, ${op.minor}))`,
  mask: (op) => `move_mount(an empty read-only tmpfs, or /dev/null for a file, ${q(op.path)})`,
  readonly: (op) =>
    `open_tree(${q(op.path)}, OPEN_TREE_CLONE|AT_RECURSIVE); ` +
    `mount_setattr(AT_RECURSIVE, set MOUNT_ATTR_RDONLY); move_mount(${q(op.path)})`,
  root_readonly: () => 'mount_setattr("/", set MOUNT_ATTR_RDONLY)',
  terminal: (op) =>
    `openat("/dev/pts/ptmx", O_RDWR|O_NOCTTY); ioctl(TIOCSWINSZ, ${op.height}, ${op.width}); ` +
    'ioctl(TIOCGPTPEER); setsid(); ioctl(TIOCSCTTY)',
  console: () => 'open_tree(the terminal, OPEN_TREE_CLONE); move_mount("/dev/console")',
  pivot_root: () => 'pivot_root(".", "."); umount2(".", MNT_DETACH); chdir("/")',
  root_propagation: (op) => `mount(NULL, "/", NULL, ${ms(op.flags)})`,
  sysctl: (op) => `write(open(${q(`/proc/sys/${op.key.replaceAll('.', '/')}`)}), ${q(op.value)})`,
  rlimit: (op) => {
    const name = Object.entries(RLIMIT).find(([, number]) => number === Number(op.resource))?.[0];
    return `setrlimit(${name ?? op.resource}, {${rlim(op.soft)}, ${rlim(op.hard)}})`;
  },
  oom_score_adj: (op) => `write(open("/proc/self/oom_score_adj"), ${q(op.value)})`,
  umask: (op) => `umask(${octal(op.mask)})`,
  loopback_up: () => 'ioctl(SIOCSIFFLAGS, "lo", IFF_UP)',
  lookup_user: (op) =>
    `read(open("/etc/passwd")); read(open("/etc/group")) /* ${q(op.user === '' ? 'root' : op.user)}` +
    `${op.groups.map((group) => `, group ${q(group)}`).join('')} */`,
  workdir: (op) => `${op.create ? `mkdir(${q(op.path)}) if missing; ` : ''}chdir(${q(op.path)})`,
  ready: () => 'send("ready"); recv("go")',
  no_new_privs: () => 'prctl(PR_SET_NO_NEW_PRIVS, 1)',
  seccomp: (op) => `seccomp(SECCOMP_SET_MODE_FILTER, ${op.filter.length / 8} instructions)`,
  bounding: (op) => `prctl(PR_CAPBSET_DROP, all but ${caps(op.mask)})`,
  set_user: (op) =>
    `${op.keep ? 'prctl(PR_SET_KEEPCAPS, 1); ' : ''}setgroups(); setresgid(); setresuid()`,
  caps: (op) =>
    `capset({effective ${caps(op.effective)}, permitted 0x${BigInt(op.permitted).toString(16)}, ` +
    `inheritable 0x${BigInt(op.inheritable).toString(16)}})`,
  exec: (op) =>
    `close_range(3, ~0, CLOSE_RANGE_CLOEXEC); execve(${q(op.argv[0] ?? '')}, ` +
    `[${op.argv.map(q).join(', ')}], ${op.env.length} variables)` +
    `${op.reaper ? ' /* as a child of our reaper */' : ''}`,
  tree_dir: treeText('mkdirat'),
  tree_file: treeText('openat'),
  tree_data: (op) => `write(${op.data.length} bytes)`,
  tree_hole: (op) => `lseek(${op.length})`,
  tree_symlink: (op) => `symlinkat(${q(op.target)}, ${q(op.path)})`,
  tree_link: (op) => `linkat(${q(op.existing)}, ${q(op.path)})`,
  tree_node: (op) => `mknodat(${q(op.path)}, makedev(${op.major}, ${op.minor}))`,
  tree_whiteout: (op) => `mknodat(${q(op.path)}, S_IFCHR, makedev(0, 0))`,
  tree_remove: treeText('unlinkat'),
  tree_opaque: (op) => `fsetxattr(${q(op.path)}, "trusted.overlay.opaque", "y")`,
  tree_xattr: (op) => `fsetxattr(${q(op.path)}, ${q(op.name)}, ${op.value.length} bytes)`,
  tree_enter: (op) => `setns(open("/proc/${op.pid}/ns/mnt"), CLONE_NEWNS)`,
  tree_below: (op) => `open_tree(overlay of ${op.lower.length} layers)`,
  tree_image: (op) => `open_tree(overlay of ${op.lower.length} layers)`,
  tree_layer: (op) => `open(${q(op.path)}, O_PATH) /* above ${op.lower.length} layers */`,
  tree_owner: (op) => `setfsuid(${op.uid}); setfsgid(${op.gid})`,
  tree_settle: () => 'capset(powers over files)',
  tree_stat: (op) => `fstat(openat2(${q(op.directory)}, RESOLVE_IN_ROOT), ${q(op.name)})`,
  tree_user: (op) => `read(open("/etc/passwd")) /* ${q(op.user)} */`,
  tree_walk: (op) => `openat2(${q(op.directory)}, RESOLVE_IN_ROOT) /* ${q(op.name)} */`,
  tree_next: () => 'getdents64(); openat(O_NOFOLLOW); read()',
  tree_strict: () => 'lstat() before each entry',
  tree_end: () => 'utimensat()',
  tree_source: (op) => `open(${q(op.path)}, O_RDONLY)`,
  tree_spread: () => 'ioctl(FS_IOC_SETFLAGS, FS_TOPDIR_FL)',
  tree_copy: (op) => `copy_file_range(${op.offset}, ${op.length} bytes)`,
  layer_copy: (op) => `ioctl(${q(op.to)}, FICLONE, ${q(op.from)}) or copies, for each file`,
  layer_merge: (op) => `renameat(${q(op.from)}, ${q(op.to)}) for each file`,
  source: (op) =>
    `open_tree(${q(op.path)}, OPEN_TREE_CLONE${Number(op.flags) & BIND.RECURSIVE ? '|AT_RECURSIVE' : ''})`,
  source_in: (op) =>
    `setns(open(${q(op.namespace)}), CLONE_NEWNS); open_tree(${q(op.path)}, OPEN_TREE_CLONE); ` +
    'setns(its own, CLONE_NEWNS)',
  attach: (op) => `move_mount(${q(op.name)}, ${q(op.directory)})`,
  source_below: (op) =>
    `open_tree(openat2(${q(op.path)}, ${q(op.below)}, RESOLVE_IN_ROOT), OPEN_TREE_CLONE` +
    `${Number(op.flags) & BIND.RECURSIVE ? '|AT_RECURSIVE' : ''})` +
    `${Number(op.flags) & (BIND.IDMAP | BIND.IDMAP_TRY) ? '; mount_setattr(MOUNT_ATTR_IDMAP)' : ''}`,
  source_overlay: (op) =>
    `fsopen("overlay"); fsconfig("lowerdir", ${q(op.lower.join(':'))}); ` +
    `${op.upper === '' ? '' : `fsconfig("upperdir", ${q(op.upper)}); `}fsmount(` +
    `${op.upper === '' ? 'MOUNT_ATTR_RDONLY' : '0'})` +
    `${op.below === '' ? '' : `; open_tree(${q(op.below)}, OPEN_TREE_CLONE)`}`,
  chown_tree: (op) => `fchownat(${q(op.path)} and all below it)`,
  volume_mount: (op) => fsmount(op.fstype, op.source, op.target, op.attr, op.options),
  volume_bind: (op) =>
    `open_tree(${q(op.source)}, OPEN_TREE_CLONE); mount_setattr(MS_SLAVE); move_mount(${q(op.target)})`,
  volume_unmount: (op) => `umount2(${q(op.target)}, MNT_DETACH)`,
  disk_mount: (op) => `ioctl(LOOP_CONFIGURE, ${q(op.image)}); move_mount(${q(op.target)})`,
  disk_grow: (op) => `ftruncate(${q(op.image)}, ${op.bytes}); ioctl(EXT4_IOC_RESIZE_FS)`,
  spread: (op) => `ioctl(${q(op.path)}, FS_IOC_SETFLAGS, FS_TOPDIR_FL)`,
  disk_idle: (op) => `ioctl(LOOP_GET_STATUS64, ${q(op.image)})`,
  quota_set: (op) => `quotactl_fd(${q(op.path)}, Q_SETQUOTA, ${op.project}, ${op.bytes})`,
  quota_read: (op) => `quotactl_fd(${q(op.path)}, Q_GETQUOTA, ${op.project})`,
  copy_up: (op) => `copy(${q(op.path)} of the image, ${q(op.target)})`,
  copy_tree: (op) => `copy(${q(op.from)}, ${q(op.to)})`,
  copy_file: (op) => `ioctl(FICLONE, ${q(op.from)}, ${q(op.to)})`,
  thaw: (op) => `ioctl(FITHAW, ${q(op.target)})`,
  exchange: (op) => `renameat2(${q(op.path)}, ${q(op.other)}, RENAME_EXCHANGE)`,
  empty_directory: (op) => `unlinkat(all below ${q(op.path)})`,
  tree_usage: (op) => `fstatat(all below ${q(op.path)})`,
  tree_finish: () => 'utimensat(directories); syncfs()',
};
