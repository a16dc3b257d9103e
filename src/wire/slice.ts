// Slices, ours: /coracle/slices.
import type { Strings } from './container-config.ts';

/** Body of `POST /coracle/slices`; the limits are those of HostConfig. */
export type SliceCreateBody = { readonly Path: string; readonly [limit: string]: unknown };

export type SliceCreateReply = {
  readonly Path: string;
  /** With the levels above it that were missing. */
  readonly Made: Strings;
  readonly Warnings: Strings;
};

export type SliceUpdateReply = { readonly Warnings: Strings };

export type SliceUsage = {
  readonly CpuNanoseconds: number | null;
  readonly MemoryBytes: number | null;
  readonly Pids: number | null;
  readonly ReadBytes: number | null;
  readonly WriteBytes: number | null;
};

export type SliceSummary = {
  readonly Path: string;
  readonly CgroupPath: string;
  readonly Created: string;
  /** Fields of HostConfig, only those that are set. */
  readonly Limits: Readonly<Record<string, unknown>>;
  readonly Usage: SliceUsage;
  readonly Children: Strings;
  readonly Containers: readonly {
    readonly Id: string;
    readonly Name: string;
    readonly Running: boolean;
  }[];
};

export type SliceInspect = SliceSummary & { readonly EffectiveLimits: EffectiveLimits };

/** What binds, and who set it: the path of a cgroup, and the slice that this cgroup is. */
export type EffectiveLimit = {
  readonly Value: number | string;
  readonly SetBy: string;
  readonly Slice?: string;
};

export type EffectiveLimits = {
  readonly Memory?: EffectiveLimit;
  readonly MemorySwap?: EffectiveLimit;
  /** Of cgroup v2, which counts it apart from memory. */
  readonly Swap?: EffectiveLimit;
  readonly MemoryHigh?: EffectiveLimit;
  readonly NanoCpus?: EffectiveLimit;
  readonly PidsLimit?: EffectiveLimit;
  readonly CpusetCpus?: EffectiveLimit;
  readonly CpusetMems?: EffectiveLimit;
  readonly BlkioDeviceReadBps?: readonly EffectiveDevice[];
  readonly BlkioDeviceWriteBps?: readonly EffectiveDevice[];
  readonly BlkioDeviceReadIOps?: readonly EffectiveDevice[];
  readonly BlkioDeviceWriteIOps?: readonly EffectiveDevice[];
};

/** Device is "MAJOR:MINOR". */
export type EffectiveDevice = EffectiveLimit & { readonly Device: string };
