// What a build is asked for, and what it tells while it goes on. api/ reads and writes Docker's
// JSON of both.
import type { HostConfig } from '#container/spec.ts';
import type { RegistryAuth } from '#image/registry/registry.ts';
import type { Warning } from './dockerfile/check.ts';
import type { ContextSource } from './named-context.ts';

export type BuildRequest = {
  /** Path of the Dockerfile in the context. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  /** Name or number of a stage; "" = the last one. */
  readonly target: string;
  readonly args: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly noCache: boolean;
  /** Images whose steps may be taken over though they were not built here. */
  readonly cacheFrom: readonly string[];
  /** Ask the registry for each base image. */
  readonly pull: boolean;
  readonly squash: boolean;
  readonly platform: string;
  readonly networkMode: string;
  readonly extraHosts: readonly string[];
  /** Of the containers of RUN: limits, ulimits, shm size, cgroup parent. */
  readonly host: Partial<HostConfig>;
  readonly auth: (registry: string) => RegistryAuth | undefined;
  /** Only the Dockerfile is checked. */
  readonly checkOnly: boolean;
  /** Contents by id. */
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** By contextName(); archives in the order in which they are sent, behind the main one. */
  readonly contexts: ReadonlyMap<string, ContextSource>;
  /** Ids of ssh agents that the client answers for. */
  readonly agents: ReadonlySet<string>;
  /** Keep intermediate containers of steps that failed. */
  readonly keepContainers: boolean;
};

/** Why a step was run, or not. */
export type CacheVerdict =
  | { readonly kind: 'hit' }
  | { readonly kind: 'miss'; readonly why: string }
  | { readonly kind: 'none' };

/** What belongs to one step: of `stage`, counted over all stages from 1. */
type OfStep = { readonly stage: number; readonly step: number };

export type BuildEvent =
  | { readonly kind: 'warning'; readonly warning: Warning }
  | { readonly kind: 'pull'; readonly progress: unknown }
  /** What will be built, in the order of the Dockerfile. */
  | { readonly kind: 'stages'; readonly stages: readonly number[] }
  | { readonly kind: 'stage-end'; readonly stage: number }
  /** A stage has failed: others end now, whatever they wait for. */
  | { readonly kind: 'failed' }
  /** Of `steps` in all. */
  | (OfStep & {
      readonly kind: 'step';
      readonly steps: number;
      readonly text: string;
      readonly line: number;
    })
  | (OfStep & { readonly kind: 'cache'; readonly verdict: CacheVerdict })
  /** A container runs for the step. */
  | (OfStep & { readonly kind: 'running'; readonly container: string })
  | (OfStep & { readonly kind: 'output'; readonly stream: 1 | 2; readonly data: Uint8Array })
  | (OfStep & { readonly kind: 'removed'; readonly container: string })
  /** The image after the step. */
  | (OfStep & { readonly kind: 'image'; readonly id: string })
  | (OfStep & { readonly kind: 'note'; readonly text: string })
  /** A step has connected to an ssh agent of the client, which answers by this name. */
  | { readonly kind: 'agent'; readonly id: string; readonly connection: string }
  | { readonly kind: 'built'; readonly id: string; readonly tags: readonly string[] };

export type OnBuildEvent = (event: BuildEvent) => void | Promise<void>;
