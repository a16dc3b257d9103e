// Why an operation is there, in one sentence for somebody who is learning. Complete by type.
import { CLONE } from '#kernel/namespace/namespace.ts';
import type { Op, OpName, OpOf } from '#kernel/native/op.ts';

type Reasons = { readonly [K in OpName]: string | ((op: OpOf<K>) => string) };

export function whyText(op: Op): string {
  // The map pairs each name with a function of the same operation; TypeScript cannot follow that.
  const why = WHY[op.op] as string | ((op: Op) => string);
  return typeof why === 'string' ? why : why(op);
}

/** Sentences for the files of cgroups that people ask about. */
const CGROUP_FILES: readonly (readonly [RegExp, string])[] = [
  [/memory\.(limit_in_bytes|max)$/, 'The most memory that all processes may use together.'],
  [/memory\.(memsw\.limit_in_bytes|swap\.max)$/, 'The limit with swap counted in.'],
  [/memory\.(soft_limit_in_bytes|low)$/, 'What the kernel leaves it when memory is short.'],
  [/memory\.high$/, 'Above it the kernel slows it down and takes memory back, but kills nobody.'],
  [/memory\.min$/, 'What the kernel never takes from it.'],
  [/memory\.swap\.high$/, 'Above it the kernel slows down who swaps.'],
  [/memory\.oom\.group$/, 'When memory ends, all of it is killed or none.'],
  [/memory\.oom_control$/, 'When memory ends, it waits instead of being killed.'],
  [/memory\.swappiness$/, 'How soon the kernel swaps instead of dropping cached files.'],
  [/cpu\.(cfs_quota_us|cfs_period_us|max)$/, 'How much processor time it gets in each period.'],
  [/cpu\.(cfs_burst_us|max\.burst)$/, 'How much of that it may save up for later.'],
  [/cpu\.(shares|weight)$/, 'Its part of the processors when others want them too.'],
  [/cpu\.idle$/, 'It runs only when nobody else wants the processor.'],
  [/cpu\.rt_(runtime|period)_us$/, 'Time for real-time processes; without it there can be none.'],
  [/cpu\.uclamp\.(min|max)$/, 'How fast a processor it may ask for.'],
  [/cpuset\.(cpus|mems)$/, 'Processors and memory nodes it may use; empty would admit nobody.'],
  [/cpuset\.cpus\.partition$/, 'Takes its processors from everybody else.'],
  [/pids\.max$/, 'How many processes and threads it may have: stops fork bombs.'],
  [/(blkio\.throttle\..*|io\.max)$/, 'How much it may read or write of a disk each second.'],
  [/(blkio|io)\.(bfq\.)?weight(_device)?$/, 'Its part of a disk when others want it too.'],
  [/net_cls\.classid$/, 'A mark on its packets that tc and netfilter can see.'],
  [/net_prio\.ifpriomap$/, 'How urgent its packets are on an interface of the host.'],
  [/hugetlb\..*$/, 'How many bytes of huge pages it may use.'],
  [/(rdma|misc)\.max$/, 'How many of a counted resource it may use.'],
  [/devices\.deny$/, 'Forbids all devices first; what is allowed follows.'],
  [/devices\.allow$/, 'Allows one kind of device to be opened or made.'],
  [/cgroup\.subtree_control$/, 'Hands the controllers down to the children of this cgroup.'],
];

const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  proc: 'procfs of the new pid namespace: shows only the processes inside.',
  sysfs: 'Facts about hardware; read-only, because they belong to the whole machine.',
  devpts: "Terminals of its own, so that it cannot reach the host's.",
  mqueue: 'POSIX message queues of its own ipc namespace.',
  cgroup: 'Its own view of this cgroup hierarchy.',
  cgroup2: 'Its own view of the cgroup tree.',
};

function mountWhy(op: OpOf<'mount'>): string {
  if (op.target === '/dev') return 'A /dev of its own, empty: only harmless devices are put in.';
  if (op.target === '/dev/shm') return 'Memory that its processes share (shm_open), with a limit.';
  if (op.target === '/sys/fs/cgroup') return 'Holds one directory for each cgroup hierarchy.';
  return FILE_SYSTEMS[op.fstype] ?? 'A file system of its own, in memory, gone when it ends.';
}

function bindWhy(op: OpOf<'bind'>): string {
  if (op.target.startsWith('/sys/fs/cgroup/')) return 'Its own cgroup of this hierarchy, no other.';
  if (/^\/etc\/(hosts|hostname|resolv\.conf)$/.test(op.target)) {
    return "A file that the engine keeps up to date, in the place of the image's.";
  }
  if (op.target === '/dev/shm') {
    return op.source === '/dev/shm'
      ? "The host's shared memory, which goes with the host's ipc namespace."
      : 'The shared memory of the container whose ipc namespace it joined.';
  }
  if (op.target.startsWith('/dev/')) {
    return 'A device of the host: making one is forbidden in a user namespace.';
  }
  return 'A file or directory of the host (a volume), seen at this place inside.';
}

function unshareWhy(op: OpOf<'unshare'>): string {
  return Number(op.flags) === CLONE.NEWCGROUP
    ? 'From here on its cgroup looks like the root of the tree to itself.'
    : 'Leaves the namespaces of the host for new ones.';
}

const WHY: Reasons = {
  mkdir: 'A cgroup is a directory: making it makes the group, with all its control files.',
  read: 'Reads whether the kernel killed a process for want of memory.',
  remove_tree: 'Removes files that are of no use any more.',
  cgroup_write: (op) =>
    CGROUP_FILES.find(([file]) => file.test(op.path))?.[1] ?? 'A setting of the cgroup.',
  cgroup_device: 'A small program in the kernel that decides which devices may be opened.',
  cgroup_device_replace: 'Another such program, in the place of the one before.',
  cgroup_mount:
    'A hierarchy that this host has not mounted, in a place of ours, for its one limit.',
  cgroup_unmount: 'Nobody needs the hierarchy any more.',
  cgroup_kill: 'Ends every process that is left, also those that escaped their parent.',
  cgroup_rmdir: 'Removes the cgroup; the kernel allows it only when no process is left.',
  monitor: 'A small parent for the container that outlives the daemon.',
  netns_create: 'A network of its own, kept by a mount, so that it is there before any process.',
  netns_pin: 'A network namespace that the container made itself, kept until it is given back.',
  netns_delete: 'Lets the network go; the kernel removes its interfaces with it.',
  netlink: 'Speaks to the kernel about interfaces, addresses and routes.',
  netns_sysctl: 'A network setting of that namespace only.',
  port_hold: 'Keeps a published port of the host from every other program.',
  port_release: 'Gives the port back.',
  userns: 'Maps user 0 inside to an ordinary user outside: root in there is nobody out here.',
  root_overlay:
    'The layers of the image, read-only, under one writable directory: changes go to the top.',
  root_overlay_joined:
    'The same in the words of an older kernel, which takes the layers as one list.',
  root_bind: 'A directory of the host as the root, without layers.',
  cgroup_join: 'The process enters the cgroup itself, before it runs anything of the image.',
  cgroup_into: 'The process is born in this cgroup: moving it there later would cost far more.',
  join_init: 'Enters the namespaces of the running container.',
  join_userns: 'Becomes root of the new user namespace, and loses all rights over the host.',
  setns: 'Enters a namespace that exists already: shared with another, or made by the network.',
  unshare: unshareWhy,
  hostname: 'Changes the name in its uts namespace only.',
  domainname: 'Changes the NIS domain name in its uts namespace only.',
  propagation: 'Cuts the tie: what is mounted from here on is not seen by the host.',
  root_attach: 'Puts the root where only this mount namespace sees it.',
  mount: mountWhy,
  bind: bindWhy,
  tmpfs: 'A file system in memory, as open to others as the directory that it covers.',
  directory: 'A directory that later steps need.',
  file: 'An empty mark by which programs tell that they run in a container.',
  symlink: 'A name that programs expect.',
  unlink_links: 'Files of its own come here: a link of the image may lead nowhere in a container.',
  node: 'A device node; which devices can be opened is up to the cgroup.',
  mask: "Hides something of the kernel that is not the container's business.",
  readonly: 'Settings of the kernel for the whole machine: may be read, not written.',
  root_readonly: 'Nothing in the root can be changed (--read-only).',
  terminal: 'A terminal pair: the inner end becomes its stdin, stdout and stderr.',
  console: 'The terminal under the name that system programs use.',
  pivot_root: 'Its root becomes "/" and the host\'s root is let go: no path leads back.',
  root_propagation: 'Mounts inside are shared with whoever got this mount shared.',
  sysctl: 'A kernel setting that belongs to its namespaces, not to the machine.',
  rlimit: 'A limit for each of its processes (--ulimit).',
  oom_score_adj: "How readily the kernel picks it when memory runs out; not the engine's value.",
  umask: 'The usual mask for new files.',
  loopback_up: 'A new network namespace has only a loopback interface, and it is down.',
  lookup_user: "Finds the user's numbers in the image's files: the kernel knows only numbers.",
  workdir: 'Where the program starts.',
  ready: 'Everything is made. Waits until clients are attached, so that no output is lost.',
  no_new_privs: 'set-user-ID programs give nothing any more.',
  seccomp: 'A filter on system calls: what containers do not need is refused.',
  bounding: 'Capabilities outside of this set can never be had again.',
  set_user: 'Stops being root, or becomes the root of the container.',
  caps: "Root in a container keeps only some of root's powers.",
  exec: 'Becomes the program. Every other descriptor closes at this moment.',
  tree_dir: 'A directory of a layer.',
  tree_file: 'A file of a layer.',
  tree_data: 'Its content.',
  tree_hole: 'A part of it that is only zeros takes no space.',
  tree_symlink: 'A symbolic link of a layer.',
  tree_link: 'A hard link of a layer.',
  tree_node: 'A device node of a layer.',
  tree_whiteout: 'Hides a file of the layers below.',
  tree_remove: 'Takes a file of the same layer back.',
  tree_opaque: 'Hides all that the layers below have in this directory.',
  tree_xattr: 'An extended attribute, such as file capabilities.',
  tree_enter: 'A look into the files of a running container, as it sees them.',
  tree_below: 'The layers of another image, to compare with.',
  tree_image: 'The layers of an image as one root, for reading.',
  tree_layer: 'What one layer has, compared with all below it.',
  tree_owner: 'New files belong to the root of the container, whoever that is outside.',
  tree_settle: 'Keeps only the powers that reading and writing files needs.',
  tree_stat: 'Finds a file as if the container were the whole machine.',
  tree_user: "Who that is, by the container's own files.",
  tree_walk: 'All that is in a directory, without following a link.',
  tree_next: 'The next names and their content.',
  tree_strict: 'A directory is not replaced by a file, nor a file by a directory.',
  tree_end: 'Directory times last, because filling a directory changes them.',
  tree_source: 'The archive that the layer comes in.',
  tree_spread: 'Layers are made in parts of the disk where nothing was deleted a moment ago.',
  tree_copy: 'Content of a file, from file to file: nobody but the kernel touches it.',
  layer_copy: 'A copy that shares its bytes with the original where the file system can.',
  layer_merge: 'Puts a layer on those below it, where the file system cannot show them as one.',
  source: 'Takes hold of something of the host while the process still may reach it.',
  source_in: 'Takes hold of a mount that only the other container sees, and comes back.',
  attach: 'Puts it where the runtime that makes the container finds it; the host does not see it.',
  source_below: 'Takes hold of one part of a volume, found as if the volume were the root.',
  source_overlay: (op) =>
    op.upper === ''
      ? 'The layers of an image as one directory that nobody can change.'
      : 'A directory of the host under a top that is thrown away: nothing below is changed.',
  chown_tree: 'Hands what is mounted there to the user that the program runs as (:U).',
  volume_mount: 'The file system that the options of a volume name.',
  volume_bind: 'The directory of the host that the options of a volume name.',
  volume_unmount: 'Nobody uses the volume any more.',
  disk_mount: 'A file system of a fixed size inside of a file: it cannot grow over its limit.',
  disk_grow: 'Gives it more room while it is in use.',
  spread: 'What is made in it has nothing to do with each other, and is put apart on the disk.',
  disk_idle: 'Whether nobody has the file system mounted any more.',
  quota_set: 'The file system itself counts what is in this directory, and stops at the limit.',
  quota_read: 'How much of the limit is used.',
  copy_up: 'An empty volume starts with what the image has in its place.',
  copy_tree: 'A copy that shares its bytes with the original where the file system can.',
  copy_file: 'A copy that shares its bytes with the original where the file system can.',
  thaw: 'Lets a file system go on that was held for a copy.',
  exchange: 'The copy takes the place of what was there, in one step.',
  empty_directory: 'What a copy that was cut short has left.',
  tree_usage: 'How much is in it.',
  tree_finish: 'Directory times last, because filling a directory changes them.',
};
