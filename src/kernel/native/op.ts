// The operations of the C program as a union type: the TypeScript twin of native/ops.def (a test
// compares the two). A plan is a list of these; nothing here does I/O.

/** Argument types: s string, u unsigned 64 bit (number or bigint), b bytes, l list of strings. */
type ArgumentTypes = {
  s: string;
  u: number | bigint;
  b: Uint8Array;
  l: readonly string[];
};

/** name → "argument:type ..."; the opcode is the position. Order and text as in ops.def. */
export const OPS = {
  mkdir: 'path:s mode:u',
  read: 'path:s limit:u',
  remove_tree: 'path:s',
  cgroup_write: 'path:s value:s',
  cgroup_device: 'path:s insns:b',
  cgroup_kill: 'path:s thaw:s',
  cgroup_rmdir: 'path:s',
  monitor: 'directory:s network:u',
  netns_create: 'path:s',
  netns_delete: 'path:s',
  netlink: 'namespace:s namespaces:l protocol:u messages:b',
  netns_sysctl: 'namespace:s key:s value:s',
  userns: 'uid_map:s gid_map:s',
  root_overlay: 'lower:l upper:s work:s options:l',
  root_bind: 'path:s',
  cgroup_join: 'path:s',
  join_init: 'flags:u',
  join_userns: '',
  setns: 'path:s flag:u',
  unshare: 'flags:u',
  hostname: 'name:s',
  domainname: 'name:s',
  propagation: 'flags:u',
  root_attach: 'directory:s',
  mount: 'fstype:s source:s target:s attr:u options:l',
  bind: 'source:s target:s flags:u attr_set:u attr_clear:u propagation:u',
  tmpfs: 'target:s attr:u options:l',
  directory: 'path:s mode:u uid:u gid:u',
  file: 'path:s mode:u data:b',
  symlink: 'target:s path:s',
  node: 'path:s mode:u major:u minor:u uid:u gid:u',
  mask: 'path:s',
  readonly: 'path:s',
  root_readonly: '',
  terminal: 'height:u width:u',
  console: '',
  pivot_root: '',
  root_propagation: 'flags:u',
  sysctl: 'key:s value:s',
  rlimit: 'resource:u soft:u hard:u',
  oom_score_adj: 'value:s',
  umask: 'mask:u',
  loopback_up: '',
  lookup_user: 'user:s groups:l',
  workdir: 'path:s create:u',
  ready: '',
  no_new_privs: '',
  seccomp: 'filter:b flags:u',
  bounding: 'mask:u',
  set_user: 'keep:u',
  caps: 'effective:u permitted:u inheritable:u ambient:u',
  exec: 'argv:l env:l reaper:u',
  tree_dir: 'path:s mode:u uid:u gid:u seconds:u nanoseconds:u',
  tree_file: 'path:s mode:u uid:u gid:u seconds:u nanoseconds:u size:u',
  tree_data: 'data:b',
  tree_hole: 'length:u',
  tree_symlink: 'path:s target:s uid:u gid:u seconds:u nanoseconds:u',
  tree_link: 'path:s existing:s',
  tree_node: 'path:s mode:u major:u minor:u uid:u gid:u seconds:u nanoseconds:u',
  tree_whiteout: 'path:s',
  tree_remove: 'path:s',
  tree_opaque: 'path:s',
  tree_xattr: 'path:s name:s value:b',
  tree_finish: '',
  source: 'path:s flags:u',
  cgroup_into: 'path:s',
  source_in: 'namespace:s path:s name:s',
  attach: 'name:s directory:s',
  port_hold: 'namespace:s protocol:u address:b port:u',
  port_release: 'namespace:s protocol:u address:b port:u',
  netns_pin: 'path:s namespace:s',
  cgroup_mount: 'path:s source:s controllers:s',
  cgroup_unmount: 'path:s',
  cgroup_device_replace: 'path:s insns:b',
  root_overlay_joined: 'lower:l upper:s work:s options:l',
  volume_mount: 'target:s fstype:s source:s attr:u options:l',
  volume_bind: 'target:s source:s recursive:u attr_set:u attr_clear:u',
  volume_unmount: 'target:s',
  disk_mount: 'image:s target:s',
  disk_grow: 'image:s target:s bytes:u',
  spread: 'path:s',
  disk_idle: 'image:s',
  quota_set: 'path:s project:u bytes:u',
  quota_read: 'path:s project:u',
  copy_up: 'lower:l path:s target:s joined:u',
  copy_tree: 'from:s to:s',
  copy_file: 'from:s to:s mounted:s',
  thaw: 'target:s',
  exchange: 'path:s other:s',
  empty_directory: 'path:s',
  tree_usage: 'path:s limit:u',
  source_below: 'path:s below:s name:s flags:u',
  source_overlay: 'name:s lower:l upper:s work:s below:s joined:u',
  chown_tree: 'path:s',
  tree_enter: 'pid:u alone:u',
  tree_layer: 'path:s lower:l joined:u',
  tree_image: 'lower:l joined:u',
  tree_owner: 'uid:u gid:u',
  tree_settle: '',
  tree_stat: 'directory:s name:s',
  tree_user: 'user:s',
  tree_walk: 'directory:s name:s flags:u omit:l hidden:l base:s',
  tree_next: 'bytes:u',
  tree_strict: 'on:u',
  tree_end: '',
  tree_source: 'path:s',
  tree_copy: 'offset:u length:u',
  tree_spread: '',
  layer_copy: 'from:s to:s how:u',
  layer_merge: 'from:s to:s',
  tree_below: 'lower:l joined:u',
  unlink_links: 'paths:l',
} as const;

export type OpName = keyof typeof OPS;

type ParseArgument<T extends string> =
  T extends `${infer Name}:${infer Type extends keyof ArgumentTypes}`
    ? { readonly [K in Name]: ArgumentTypes[Type] }
    : unknown;
type ParseArguments<T extends string> = T extends `${infer Head} ${infer Rest}`
  ? ParseArgument<Head> & ParseArguments<Rest>
  : ParseArgument<T>;

/**
 * Strings are sent as UTF-8, except in tree_* operations, where they are latin1 ("binary strings"),
 * because names in layers may hold any byte.
 */
export type Op = { [K in OpName]: { readonly op: K } & ParseArguments<(typeof OPS)[K]> }[OpName];
export type OpOf<K extends OpName> = Extract<Op, { op: K }>;

/**
 * Flags of `bind`: copy the whole tree; make a missing target a file, not a directory; apply
 * attr_set to the tree. Of `source_below`: shift the owners by the user namespace, or do so where
 * the file system can.
 */
export const BIND = {
  RECURSIVE: 1,
  FILE_TARGET: 2,
  ATTR_RECURSIVE: 4,
  IDMAP: 8,
  IDMAP_TRY: 16,
} as const;

/**
 * `how` of `layer_copy`: keep what an overlay wrote for itself; give files a second name instead of
 * a copy; wait for the disk.
 */
export const LAYER_COPY = { MARKS: 1, LINKS: 2, SYNC: 4 } as const;

/** Where in a plan an operation stood. */
export const PLACES = ['agent', 'host', 'join', 'init', 'teardown', 'tree'] as const;
export type Place = (typeof PLACES)[number];

/** What became of one operation. */
export type OpResult = {
  readonly place: Place;
  readonly index: number;
  readonly op: OpName;
  /** 0, a kernel errno, or one of FAULT. */
  readonly errno: number;
  readonly nanoseconds: number;
  readonly output: Buffer;
};

/** Failures that have no errno of the kernel; numbers above all of them (native/protocol.h). */
export const FAULT = {
  COMMAND_NOT_FOUND: 10_001, // exec: not in PATH
  USER_UNKNOWN: 10_002, // lookup_user: no such name in passwd
  GROUP_UNKNOWN: 10_003,
  ID_RANGE: 10_004, // lookup_user: a number out of range
  NOT_CONFINED: 10_005, // a path or mount did not end up where it should (D1)
  CWD_OUTSIDE: 10_006, // workdir: the cwd is not below the root (D4)
  BAD_PLAN: 10_007, // an operation in a place where it cannot run
  TOO_MANY: 10_008, // a named limit of the C program
  OVER_DIRECTORY: 10_009, // tree_strict: what is no directory would replace one
  OVER_FILE: 10_010,
} as const;

/** Everything one container's monitor needs to make and keep it. */
export type LaunchPlan = {
  readonly stdio: Stdio;
  readonly log: LogPlan;
  readonly host: readonly Op[];
  readonly join: readonly Op[];
  /** CLONE_NEW* flags for clone3. */
  readonly cloneFlags: number;
  readonly init: readonly Op[];
  readonly teardown: readonly Op[];
};

/** One more process in a running container. */
export type ExecPlan = {
  readonly stdio: Stdio;
  readonly join: readonly Op[];
  readonly init: readonly Op[];
};

export type Stdio = {
  readonly tty: boolean;
  /**
   * none: /dev/null; open: a pipe kept open; once: closed when the first client that writes ends.
   */
  readonly stdin: 'none' | 'open' | 'once';
};

export type LogPlan =
  | { readonly driver: 'none' }
  | {
      readonly driver: 'json-file';
      /** "" keeps no file. */
      readonly path: string;
      readonly maxBytes: number;
      readonly maxFiles: number;
      /** JSON of an object that each record has. */
      readonly attributes?: string;
      readonly forward?: LogForward;
    };

/** Where each log line goes besides: HEAD of its stream, the time, TAIL, the line. */
export type LogForward = {
  readonly transport: 'unix' | 'udp' | 'tcp';
  /** A path, or an IP address. */
  readonly address: string;
  readonly port: number;
  /** stamp: "Jan  2 15:04:05", local; the others RFC 3339, UTC. */
  readonly time: 'none' | 'stamp' | 'seconds' | 'micro';
  readonly head: { readonly stdout: string; readonly stderr: string };
  readonly tail: string;
};

/** How a process ended: exit code, or 128 + signal as shells and Docker say it. */
export type Exit = {
  readonly exitCode: number;
  readonly signal: number;
  /** Nanoseconds since 1970. */
  readonly finishedAt: bigint;
};
