// Which part of the story an operation belongs to. Complete by type: a new operation does not
// compile until it has its group.
import type { Op, OpName, Place } from '#kernel/native/op.ts';

export const GROUPS = [
  'cgroups',
  'namespaces',
  'union mount',
  'mounts',
  '/dev',
  'root switch',
  'privileges',
  'process',
  'clean-up',
] as const;
export type GroupName = (typeof GROUPS)[number];

const GROUP_OF = {
  mkdir: 'cgroups',
  rmdir: 'clean-up',
  read: 'clean-up',
  write: 'process',
  remove_tree: 'clean-up',
  cgroup_write: 'cgroups',
  cgroup_device: 'cgroups',
  cgroup_kill: 'clean-up',
  cgroup_rmdir: 'clean-up',
  monitor: 'process',
  umount: 'clean-up',
  userns: 'namespaces',
  root_overlay: 'union mount',
  root_bind: 'union mount',
  cgroup_join: 'cgroups',
  join_init: 'namespaces',
  join_userns: 'namespaces',
  setns: 'namespaces',
  unshare: 'namespaces',
  hostname: 'namespaces',
  domainname: 'namespaces',
  propagation: 'union mount',
  root_attach: 'union mount',
  mount: 'mounts',
  bind: 'mounts',
  tmpfs_copy: 'mounts',
  directory: 'mounts',
  file: 'mounts',
  symlink: 'mounts',
  node: '/dev',
  mask: 'mounts',
  readonly: 'mounts',
  root_readonly: 'root switch',
  terminal: '/dev',
  console: '/dev',
  pivot_root: 'root switch',
  root_propagation: 'root switch',
  sysctl: 'namespaces',
  rlimit: 'process',
  oom_score_adj: 'process',
  umask: 'process',
  loopback_up: 'namespaces',
  lookup_user: 'process',
  workdir: 'process',
  ready: 'process',
  no_new_privs: 'privileges',
  seccomp: 'privileges',
  bounding: 'privileges',
  set_user: 'privileges',
  caps: 'privileges',
  exec: 'process',
  tree_dir: 'union mount',
  tree_file: 'union mount',
  tree_data: 'union mount',
  tree_hole: 'union mount',
  tree_symlink: 'union mount',
  tree_link: 'union mount',
  tree_node: 'union mount',
  tree_whiteout: 'union mount',
  tree_remove: 'union mount',
  tree_opaque: 'union mount',
  tree_xattr: 'union mount',
  tree_finish: 'union mount',
} as const satisfies Record<OpName, GroupName>;

export function groupOf(op: Op, place: Place): GroupName {
  if (place === 'teardown') return 'clean-up';
  const target = 'target' in op && op.op !== 'symlink' ? op.target : 'path' in op ? op.path : '';
  const belowDev = target === '/dev' || target.startsWith('/dev/');
  return GROUP_OF[op.op] === 'mounts' && belowDev ? '/dev' : GROUP_OF[op.op];
}
