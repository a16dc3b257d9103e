// The /volumes endpoints.
import type { StringMap, Strings } from './container-config.ts';

export type Volume = {
  readonly CreatedAt?: string;
  readonly Driver: string;
  readonly Labels: StringMap | null;
  readonly Mountpoint: string;
  readonly Name: string;
  readonly Options: StringMap | null;
  readonly Scope: string;
  readonly Status?: Readonly<Record<string, unknown>>;
  readonly UsageData?: { readonly RefCount: number; readonly Size: number };
};

export type VolumeCreateBody = {
  readonly Name?: string;
  readonly Driver?: string;
  readonly DriverOpts?: StringMap | null;
  readonly Labels?: StringMap | null;
};

export type VolumeList = { readonly Volumes: readonly Volume[]; readonly Warnings: Strings | null };

export type VolumePruneReply = {
  readonly VolumesDeleted: Strings | null;
  readonly SpaceReclaimed: number;
};

/** Ours: answer of clone, snapshot and rollback. */
export type VolumeCopyReply = {
  /** Of the new volume or the snapshot. */
  readonly Name: string;
  /** Written anew. */
  readonly BytesCopied: number;
  /** Which the file system keeps once for both. */
  readonly BytesShared: number;
};

/** Ours. */
export type VolumeSnapshot = {
  readonly Name: string;
  readonly CreatedAt: string;
  /** The limit that the volume had then. */
  readonly Size: number | null;
};
