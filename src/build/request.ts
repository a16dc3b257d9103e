// What a build is asked for, and what it tells while it goes on. api/ reads and writes Docker's
// JSON of both.
import type { HostConfig } from '#container/spec.ts';
import type { RegistryAuth } from '#image/registry/registry.ts';
import type { Warning } from './dockerfile/check.ts';

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
  /** Keep intermediate containers of steps that failed. */
  readonly keepContainers: boolean;
};

/** Why a step was run, or not. */
export type CacheVerdict =
  | { readonly kind: 'hit' }
  | { readonly kind: 'miss'; readonly why: string }
  | { readonly kind: 'none' };

export type BuildEvent =
  | { readonly kind: 'warning'; readonly warning: Warning }
  | { readonly kind: 'pull'; readonly progress: unknown }
  /** Of `steps` in all, counted from 1. */
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly steps: number;
      readonly stage: number;
      readonly text: string;
      readonly line: number;
    }
  | { readonly kind: 'cache'; readonly step: number; readonly verdict: CacheVerdict }
  /** A container runs for the step. */
  | { readonly kind: 'running'; readonly step: number; readonly container: string }
  | {
      readonly kind: 'output';
      readonly step: number;
      readonly stream: 1 | 2;
      readonly data: Uint8Array;
    }
  | { readonly kind: 'removed'; readonly step: number; readonly container: string }
  /** The image after the step. */
  | { readonly kind: 'image'; readonly step: number; readonly id: string }
  | { readonly kind: 'note'; readonly step: number; readonly text: string }
  | { readonly kind: 'built'; readonly id: string; readonly tags: readonly string[] };

export type OnBuildEvent = (event: BuildEvent) => void | Promise<void>;
