// What all stages of one build share.
import { EngineError, type Facts } from '#base/error.ts';
import type { ContainerEngine } from '#container/engine.ts';
import type { ImageService } from '#image/image.ts';
import type { Platform } from '#image/platform.ts';
import type { Visits } from '#runtime/visit.ts';
import type { BuildCache } from './cache.ts';
import type { CacheMounts } from './cache-mounts.ts';
import type { Context } from './context.ts';
import type { Dockerfile } from './dockerfile/dockerfile.ts';
import type { Place } from './dockerfile/fault.ts';
import type { EphemeralImages } from './ephemeral.ts';
import type { BuildPlan, Lookup } from './graph.ts';
import type { BuildRequest, OnBuildEvent } from './request.ts';
import type { State } from './state.ts';

export type BuildDeps = {
  readonly images: ImageService;
  readonly containers: ContainerEngine;
  readonly visits: Visits;
  readonly cache: BuildCache;
  readonly cacheMounts: CacheMounts;
  readonly ephemeral: EphemeralImages;
  /** Contexts that are being received. */
  readonly folder: string;
  /** "bridge", or "none" where there is no bridge. */
  readonly defaultNetwork: string;
};

export type BuildShared = {
  /** Of the build, for the label of its containers. */
  readonly id: string;
  readonly deps: BuildDeps;
  readonly request: BuildRequest;
  readonly context: Context;
  readonly file: Dockerfile;
  readonly plan: BuildPlan;
  /** Of all stages that are built. */
  readonly steps: number;
  readonly platform: Platform;
  readonly globals: Lookup;
  /** SOURCE_DATE_EPOCH, in nanoseconds. */
  readonly epoch: bigint | undefined;
  /** When it began, or SOURCE_DATE_EPOCH: of what has no time of its own. */
  readonly moment: bigint;
  readonly signal: AbortSignal;
  readonly tell: OnBuildEvent;
  /** Arguments that a step has asked for. */
  readonly consumed: Set<string>;
  /** Goes with the build. */
  readonly folder: string;
  /** Not collected until the build ends. */
  readonly hold: (digests: readonly string[]) => void;
  /** Containers of the build may mount it as an image. */
  readonly lend: (state: State) => void;
  /** Work that is done once a build. */
  readonly once: (key: string, work: () => Promise<void>) => Promise<void>;
  /** The state at the end of a stage, once. */
  readonly stage: (index: number) => Promise<State>;
};

export function failedStep(place: Place, message: string, facts: Facts): EngineError {
  return new EngineError('kernel_refused', message, {
    facts: { ...facts, line: place.start, endLine: place.end },
  });
}
