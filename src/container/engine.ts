// The port that api/ drives: every verb on containers, in domain types. container/ implements it,
// one verb a file; nothing here knows HTTP or Docker's JSON.
import type { Duplex } from 'node:stream';
import type { EndpointWish, PortTraffic, Sandbox } from '#network/engine.ts';
import type { TopSnapshot } from '#snapshot/top-copies.ts';
import type { ArchiveAnswer, ExtractWish, PathStat } from './archive.ts';
import type { Branches } from './branches.ts';
import type { Change } from './changes.ts';
import type { EncodeEntry } from '#tar/encode.ts';
import type { CommitWish } from './commit.ts';
import type { PortChange } from './ports.ts';
import type { SnapshotView } from './snapshot.ts';
import type { Health } from './health.ts';
import type { ContainerSpec } from './spec.ts';
import type { State } from './state.ts';
import type { StatsFrame } from './stats.ts';
import type { UpdateWish } from './update.ts';

export type { TopSnapshot } from '#snapshot/top-copies.ts';

/**
 * A container as inspect and ps need it: its record as it was, plus live facts. To be read, not to
 * be spread: a list of a thousand is cheap because some fields are made when they are asked for.
 */
export type ContainerView = {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly createdAt: bigint;
  readonly spec: ContainerSpec;
  /** With the image's defaults merged in: what really runs. */
  readonly merged: {
    readonly path: string;
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly workingDir: string;
    readonly user: string;
    readonly entrypoint: readonly string[] | undefined;
    readonly cmd: readonly string[] | undefined;
    readonly labels: Readonly<Record<string, string>>;
    readonly exposedPorts: readonly string[];
    readonly volumes: readonly string[];
    readonly stopSignal: string | undefined;
    readonly healthcheck: import('./spec.ts').Healthcheck | undefined;
    readonly hostname: string;
  };
  /** Digest of the image's config. */
  readonly imageId: string;
  /** As the user named it. */
  readonly imageName: string;
  readonly state: State;
  /** undefined without a check. */
  readonly health: Health | undefined;
  /** Of its last run that has ended; undefined = none has. */
  readonly finishedAt?: bigint | undefined;
  readonly restartCount: number;
  /** Why the last start failed; the state is as before it. */
  readonly startError: { readonly message: string; readonly exitCode: number } | undefined;
  readonly paths: {
    readonly log: string;
    readonly hosts: string;
    readonly hostname: string;
    readonly resolvConf: string;
  };
  readonly execIds: readonly string[];
  readonly mounts: readonly MountView[];
  readonly driver: string;
  /** GraphDriver.Data: LowerDir, UpperDir, WorkDir, MergedDir. */
  readonly graph: Readonly<Record<string, string>>;
  readonly platform: string;
  readonly cgroupPath: string;
  /** What it has of networks while it runs; undefined with host, none and container:ID. */
  readonly sandbox: Sandbox | undefined;
  /** --link, by the names of now: "/db:/web/database". */
  readonly links: readonly string[];
  /** What others call it by their links: "/web/database". */
  readonly linkedAs: readonly string[];
};

export type MountView = {
  readonly type: string;
  readonly name: string | undefined;
  readonly source: string;
  readonly destination: string;
  readonly driver: string | undefined;
  readonly mode: string;
  readonly rw: boolean;
  readonly propagation: string;
};

export type ExecSpec = {
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly privileged: boolean;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys: string;
  readonly consoleSize: readonly [number, number] | undefined;
};

export type ExecView = {
  readonly id: string;
  readonly containerId: string;
  readonly spec: ExecSpec;
  readonly running: boolean;
  /** null until it has ended. */
  readonly exitCode: number | null;
  readonly pid: number;
};

export type AttachWish = {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Replay the log first. */
  readonly logs: boolean;
  /** Stay for live output. */
  readonly stream: boolean;
  /** "" = ctrl-p,ctrl-q; only looked for with a tty. */
  readonly detachKeys: string;
};

/** What an attached client talks through. `ended` resolves when output is over or keys detached. */
export type AttachSession = {
  /** Frames (or raw bytes with a tty) to send to the client; write the client's stdin into it. */
  readonly stream: Duplex;
  readonly tty: boolean;
};

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';
export type WaitAnswer = { readonly statusCode: number; readonly error: string | undefined };

export type LogWish = {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
  /** undefined = all. */
  readonly tail: number | undefined;
};

export type CreateAnswer = { readonly id: string; readonly warnings: readonly string[] };

export interface ContainerEngine {
  create(spec: ContainerSpec): Promise<CreateAnswer>;
  /** The plan of a container that is not made. */
  plan(spec: ContainerSpec): Promise<Explanation>;
  explain(ref: string): Promise<Explanation>;
  start(ref: string, options: { readonly detachKeys: string }): Promise<void>;
  stop(
    ref: string,
    options: { readonly signal: string | undefined; readonly timeoutSeconds: number | undefined },
  ): Promise<void>;
  restart(
    ref: string,
    options: { readonly signal: string | undefined; readonly timeoutSeconds: number | undefined },
  ): Promise<void>;
  kill(ref: string, signal: string | undefined): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  remove(
    ref: string,
    options: { readonly force: boolean; readonly volumes: boolean; readonly link: boolean },
  ): Promise<void>;
  resize(ref: string, size: { readonly height: number; readonly width: number }): Promise<void>;
  update(ref: string, change: UpdateWish): Promise<readonly string[]>;
  /** Live, when it runs; kept for its next start. `wish.network` by name or id. */
  connect(ref: string, wish: EndpointWish): Promise<void>;
  disconnect(ref: string, network: string, options: { readonly force: boolean }): Promise<void>;
  /** Publishes and withdraws ports; those that are published now, with their traffic. */
  changePorts(ref: string, change: PortChange): Promise<void>;
  ports(ref: string): Promise<readonly PortTraffic[]>;
  /** Resolves the id now (404 at once); the promise inside resolves when the condition is met. */
  wait(
    ref: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ readonly answer: Promise<WaitAnswer> }>;
  attach(ref: string, wish: AttachWish, signal: AbortSignal): Promise<AttachSession>;
  /** Output frames with the 8-byte header, or raw with a tty. */
  logs(
    ref: string,
    wish: LogWish,
    signal: AbortSignal,
  ): Promise<{ readonly tty: boolean; readonly chunks: AsyncIterable<Uint8Array> }>;
  /** What it has written so far is gone; it goes on writing. */
  clearLogs(ref: string): Promise<void>;
  /** Throws what the wish is refused for; then a sample once a second, or one. */
  /** See watchStats(). */
  watchStats(ref: string, signal: AbortSignal, tell: (frame: StatsFrame) => void): Promise<void>;
  statsOnce(
    ref: string,
    wish: { readonly oneShot: boolean },
    signal: AbortSignal,
  ): Promise<StatsFrame | undefined>;
  top(
    ref: string,
    psArgs: string,
  ): Promise<{
    readonly titles: readonly string[];
    readonly processes: readonly (readonly string[])[];
  }>;
  prune(
    filters: ReadonlyMap<string, readonly string[]>,
  ): Promise<{ readonly deleted: readonly string[]; readonly spaceReclaimed: number }>;
  execCreate(ref: string, spec: ExecSpec): Promise<string>;
  /** Streams, or undefined with detach. */
  execStart(
    execId: string,
    options: {
      readonly detach: boolean;
      readonly tty: boolean;
      readonly consoleSize: readonly [number, number] | undefined;
    },
    signal: AbortSignal,
  ): Promise<AttachSession | undefined>;
  execResize(
    execId: string,
    size: { readonly height: number; readonly width: number },
  ): Promise<void>;
  execInspect(execId: string): ExecView;
  /** What differs from its image. */
  changes(ref: string): Promise<readonly Change[]>;
  /** A tar of its root; the chunks must be read, or their iterator be ended. */
  export(ref: string): Promise<AsyncIterable<Uint8Array>>;
  /** An image of it; answers the id. */
  commit(ref: string, wish: CommitWish): Promise<string>;
  /** Keeps what it has written, by this name or ("") one of the moment. */
  snapshot(ref: string, name: string): Promise<TopSnapshot>;
  /** The newest last. */
  snapshots(ref: string): Promise<readonly TopSnapshot[]>;
  inspectSnapshot(ref: string, name: string): Promise<SnapshotView>;
  removeSnapshot(ref: string, name: string): Promise<void>;
  /** "" = to the newest. */
  rollback(ref: string, name: string): Promise<TopSnapshot>;
  /** What it has written, as the plain archive of a layer; `change` may leave entries out. */
  takeLayer<T>(
    ref: string,
    take: (archive: AsyncIterable<Uint8Array>) => Promise<T>,
    change: (header: EncodeEntry) => EncodeEntry | undefined,
  ): Promise<T>;
  /** What is at a path; throws not_found `Could not find the file X in container Y`. */
  statArchive(ref: string, path: string): Promise<PathStat>;
  /** A tar of it; the chunks must be read, or their iterator be ended. */
  getArchive(ref: string, path: string): Promise<ArchiveAnswer>;
  /** Unpacks a tar into a directory. */
  putArchive(
    ref: string,
    path: string,
    body: AsyncIterable<Uint8Array>,
    wish: ExtractWish,
  ): Promise<void>;
  /**
   * By full id, unique prefix, or name with or without "/"; throws not_found `No such container:
   * X`.
   */
  inspect(ref: string): ContainerView;
  list(): readonly ContainerView[];
  /** Bytes in the writable layer and in the whole root. */
  sizes(ref: string): Promise<{ readonly rw: number; readonly rootFs: number }>;
}

/** The kernel operations that made (or would make) a container. */
export type Explanation = {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly groups: readonly {
    readonly name: string;
    readonly steps: readonly {
      readonly step: number;
      readonly op: string;
      /** As a system call with its arguments. */
      readonly text: string;
      /** For somebody who is learning. */
      readonly why: string;
      readonly where: string;
      readonly nanoseconds: number | null;
      readonly errno: string | null;
    }[];
  }[];
  readonly totalNanoseconds: number | null;
  /** What its root is made of; absent for one that is not made. */
  readonly branches?: Branches;
};
