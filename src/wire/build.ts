// What POST /build tells, one object a line.
import type { ProgressMessage } from './image.ts';

export type BuildMessage =
  | ProgressMessage
  | { readonly aux: { readonly ID: string } }
  | { readonly stream: string };

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
