// A process in a box: everything the runtime needs to know of one container, all names resolved and
// all defaults filled in by container/. No image, no network, no Docker JSON. spec.ts turns a Box
// into an OCI runtime spec, plan.ts turns that into a LaunchPlan.
import type { RealtimeBudget, Resources } from '#kernel/cgroup/resources.ts';
import type { LogPlan, Stdio } from '#kernel/native/op.ts';

export type Box = {
  readonly id: string;
  /** Which runtime makes it: ours, or an external OCI runtime; absent = ours. */
  readonly runtime?: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly process: BoxProcess;
  readonly security: BoxSecurity;
  readonly namespaces: BoxNamespaces;
  readonly root: BoxRoot;
  /** In the order to mount: parents before children. */
  readonly mounts: readonly BoxMount[];
  /** Host files bound read-write over /etc/hosts, /etc/hostname, /etc/resolv.conf. */
  readonly files: {
    readonly hosts?: string;
    readonly hostname?: string;
    readonly resolvConf?: string;
  };
  readonly devices: readonly BoxDevice[];
  /** Extra device cgroup rules, "c 1:3 rwm". */
  readonly deviceRules: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly shm: BoxShm;
  readonly cgroup: {
    readonly parent: string;
    /** Of its own cgroup; absent = the id. */
    readonly name?: string;
    readonly resources: BoxResources;
    /** What the cgroups above it get when it asks for real-time. */
    readonly realtime?: RealtimeBudget;
  };
  readonly log: LogPlan;
  readonly annotations: Readonly<Record<string, string>>;
};

export type BoxProcess = {
  /** Command and arguments, entrypoint included. */
  readonly argv: readonly string[];
  /** "NAME=value"; the whole environment but HOME, which the runtime adds from passwd. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** "", "1000", "name", "name:group", "1000:1000". */
  readonly user: string;
  readonly groups: readonly string[];
  readonly stdio: Stdio;
  readonly consoleSize: { readonly height: number; readonly width: number } | undefined;
  readonly rlimits: readonly BoxRlimit[];
  readonly oomScoreAdj: number;
  /** A reaper of ours as pid 1. */
  readonly init: boolean;
};

/** Without the RLIMIT_ prefix, in lower case; -1 is unlimited. */
export type BoxRlimit = { readonly name: string; readonly soft: number; readonly hard: number };

export type BoxSecurity = {
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly noNewPrivileges: boolean;
  /** 'builtin', 'unconfined', or a profile in Docker's JSON format. */
  readonly seccomp: 'builtin' | 'unconfined' | { readonly profile: unknown };
  /** undefined = the default list. */
  readonly maskedPaths: readonly string[] | undefined;
  readonly readonlyPaths: readonly string[] | undefined;
};

export type NamespaceMode =
  | { readonly mode: 'private' }
  | { readonly mode: 'host' }
  /** Join the namespace at /proc/PID/ns/NAME or a pinned one; shared = another container's. */
  | { readonly mode: 'path'; readonly path: string; readonly shared?: boolean };

/** What is at /dev/shm; it goes with the IPC namespace. */
export type BoxShm =
  | { readonly kind: 'own'; readonly bytes: number }
  | { readonly kind: 'host' }
  | { readonly kind: 'none' }
  /** That of the container whose first process this is. */
  | { readonly kind: 'joined'; readonly pid: number };

export type IdMapping = {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
};

export type BoxNamespaces = {
  readonly pid: NamespaceMode;
  readonly network: NamespaceMode;
  readonly ipc: NamespaceMode;
  readonly uts: NamespaceMode;
  readonly cgroup: NamespaceMode;
  readonly time: NamespaceMode;
  readonly user:
    | { readonly mode: 'host' }
    | {
        readonly mode: 'map';
        readonly uid: readonly IdMapping[];
        readonly gid: readonly IdMapping[];
      };
};

export type BoxRoot = {
  readonly readonly: boolean;
  /**
   * What is written to the root need not outlive a power cut: an overlay is then never synced, not
   * even by fsync(2). It can be mounted again only after Snapshots.reopen().
   */
  readonly volatile: boolean;
  readonly mount:
    | {
        readonly kind: 'overlay';
        /** The top one first. */
        readonly lower: readonly string[];
        readonly upper: string;
        readonly work: string;
      }
    | { readonly kind: 'bind'; readonly path: string };
};

export type Propagation = 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';

export type BoxMount =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      /** What the source is, so that a missing target is made of the same kind. */
      readonly file: boolean;
      readonly readonly: boolean;
      readonly recursive: boolean;
      /**
       * no: only the top mount is read-only; yes: all below too, where possible; force: or an
       * error.
       */
      readonly recursiveReadonly: 'no' | 'yes' | 'force';
      readonly propagation: Propagation;
      /** The part of the source to show, found as if the source were "/". */
      readonly below?: string;
      /** Owners shifted by the user namespace; try: where the file system can. */
      readonly idmap?: 'yes' | 'try';
      /** Given to the user of the container, with all in it. */
      readonly chown?: boolean;
    }
  | BoxUnion
  /**
   * options: as the user gave them (size=64m, noexec, mode=1777); defaults of --tmpfs are applied
   * by the runtime.
   */
  | { readonly kind: 'tmpfs'; readonly target: string; readonly options: readonly string[] };

/** Directories of the host as one: the layers of an image, or one directory under a top. */
export type BoxUnion = {
  readonly kind: 'union';
  readonly target: string;
  /** The top one first. */
  readonly lower: readonly string[];
  /** Where changes go; none = read-only. */
  readonly top?: { readonly upper: string; readonly work: string };
  readonly below: string;
  /** What is shown is no directory. */
  readonly file: boolean;
  readonly chown?: boolean;
};

export type BoxDevice = {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Path on the host, when it is another one. */
  readonly source?: string;
  /** "rwm" */
  readonly access: string;
};

/** Limits; a missing one is unlimited. */
export type BoxResources = Omit<Resources, 'devices'>;

/** What can be changed while the container runs, whole. */
export type BoxLimits = {
  readonly resources: BoxResources;
  readonly deviceRules: readonly string[];
  /** Bytes of memory to take from it now. */
  readonly reclaim?: number;
};
