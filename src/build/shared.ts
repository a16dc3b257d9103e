// What all stages of one build share.
import type { Digest } from '#base/digest.ts';
import type { ContainerEngine } from '#container/engine.ts';
import type { ImageService } from '#image/image.ts';
import type { Platform } from '#image/platform.ts';
import type { ImageRecord, LayerBlob } from '#image/record.ts';
import type { Visits } from '#runtime/visit.ts';
import type { BuildArguments } from './arguments.ts';
import type { BuildCache } from './cache.ts';
import type { CacheMounts } from './cache-mounts.ts';
import type { Context } from './context.ts';
import type { Dockerfile } from './dockerfile/dockerfile.ts';
import type { EphemeralImages } from './ephemeral.ts';
import type { GitHost } from './git/program.ts';
import type { BuildPlan } from './graph.ts';
import type { NamedContexts } from './named-context.ts';
import type { BuildRequest, OnBuildEvent } from './request.ts';
import type { AgentCalls } from './ssh-agent.ts';
import type { State } from './state.ts';

export type BuildDeps = {
  readonly images: ImageService;
  readonly containers: ContainerEngine;
  readonly visits: Visits;
  readonly cache: BuildCache;
  readonly cacheMounts: CacheMounts;
  readonly ephemeral: EphemeralImages;
  readonly agentCalls: AgentCalls;
  readonly git: GitHost;
  /** Contexts that are being received, one folder a build. */
  readonly folder: string;
  /** The same for what must not be on a disk: secrets; and sockets. */
  readonly memoryFolder: string;
  /** "bridge", or "none" where there is no bridge. */
  readonly defaultNetwork: string;
};

export type BuildShared = {
  /** Of the build, for the label of its containers. */
  readonly id: string;
  readonly deps: BuildDeps;
  readonly request: BuildRequest;
  readonly context: Context;
  /** --build-context */
  readonly contexts: NamedContexts;
  readonly file: Dockerfile;
  readonly plan: BuildPlan;
  /** Of all stages that are built. */
  readonly steps: () => number;
  readonly platform: Platform;
  readonly args: BuildArguments;
  /** SOURCE_DATE_EPOCH, in nanoseconds. */
  readonly epoch: bigint | undefined;
  /** When it began, or SOURCE_DATE_EPOCH: of what has no time of its own. */
  readonly moment: bigint;
  readonly signal: AbortSignal;
  readonly tell: OnBuildEvent;
  /** Both go with the build; the second one is memory, where the system has its sockets so. */
  readonly folder: string;
  readonly memoryFolder: string;
  /** Not collected until the build ends. */
  readonly hold: (digests: readonly string[]) => void;
  /** Layers that are here, and are to stay. */
  readonly holdLayers: (diffIds: readonly Digest[], layers: readonly LayerBlob[]) => void;
  /** Images whose steps may be taken over (--cache-from). */
  readonly trusted: () => readonly ImageRecord[];
  /** Containers of the build may mount it as an image. */
  readonly lend: (state: State) => void;
  /** Work that is done once a build. */
  readonly once: (key: string, work: () => Promise<void>) => Promise<void>;
  /** The state at the end of a stage, once. */
  readonly stage: (index: number) => Promise<State>;
};
