// What POST /build tells, one object a line.
import type { ProgressMessage } from './image.ts';

export type BuildMessage =
  | ProgressMessage
  | { readonly aux: { readonly ID: string } }
  | { readonly coracle: OwnBuildEvent }
  | { readonly stream: string };

/** Ours: with X-Coracle-Build. Steps are counted over all stages that are built. */
export type OwnBuildEvent =
  | {
      readonly kind: 'warning';
      readonly rule: string;
      readonly message: string;
      readonly line: number;
    }
  | { readonly kind: 'pull'; readonly progress: ProgressMessage }
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly steps: number;
      readonly stage: number;
      readonly text: string;
      readonly line: number;
    }
  | {
      readonly kind: 'cache';
      readonly step: number;
      readonly hit: boolean;
      /** Why it was not a hit. */
      readonly why: string;
    }
  | { readonly kind: 'running' | 'removed'; readonly step: number; readonly container: string }
  | {
      readonly kind: 'output';
      readonly step: number;
      readonly stream: 1 | 2;
      readonly text: string;
    }
  | { readonly kind: 'image'; readonly step: number; readonly id: string }
  | { readonly kind: 'note'; readonly step: number; readonly text: string }
  | AgentCallEvent
  | { readonly kind: 'built'; readonly id: string; readonly tags: readonly string[] };

/** A step has connected to this ssh agent: `POST /coracle/build/agents/{connection}` answers it. */
export type AgentCallEvent = {
  readonly kind: 'agent';
  readonly id: string;
  readonly connection: string;
};

export type BuildPruneReply = {
  readonly CachesDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
};

/** One entry of `docker system df -v`. */
export type BuildCacheRecord = {
  readonly ID: string;
  readonly Type: string;
  readonly Description: string;
  readonly InUse: boolean;
  readonly Shared: boolean;
  readonly Size: number;
  readonly CreatedAt: string;
  readonly LastUsedAt: string | null;
  readonly UsageCount: number;
};
