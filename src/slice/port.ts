// What slices ask of the parts around them, as narrow interfaces; daemon/ wires the real ones. And
// what containers ask of slices.
import type { CgroupRequest } from '#kernel/cgroup/cgroup.ts';
import type { Resources } from '#kernel/cgroup/resources.ts';

/** The cgroups of one slice, in every hierarchy. */
export interface SliceCgroups {
  /** Success when they are there already: then all of their limits are written again. */
  make(request: CgroupRequest): Promise<void>;
  /** All or nothing. */
  change(before: CgroupRequest, after: CgroupRequest): Promise<void>;
  /** Throws when there are processes in it; success when it is not there. */
  remove(request: CgroupRequest): Promise<void>;
}

/** A disk that is not there now: an error, or no limit. */
export type Missing = 'refuse' | 'skip';

/**
 * Limits as users wish them (Docker's fields, names of disks) and changes of them belong to
 * container/: here they are only kept.
 */
export interface Wishes<Wish, Change> {
  /** No limit at all. */
  readonly none: Wish;
  change(what: string, before: Wish, change: Change): Wish;
  limits(
    wish: Wish,
    missing: Missing,
  ): { readonly resources: Resources; readonly warnings: readonly string[] };
}

/** A container in a slice. */
export type Member = {
  readonly id: string;
  readonly name: string;
  readonly slice: string;
  readonly running: boolean;
};

/** One that nobody else can change meanwhile. */
export type HeldMember = Member & {
  /** Its own limits, without what it gets from slices. */
  readonly own: Resources;
  /** Only of one that runs: all limits that its cgroup has from now on. */
  change(resources: Resources): Promise<void>;
};

export interface Members {
  list(): readonly Member[];
  /** Those of these slices but some; waits until nothing else is done to them. */
  hold(
    slices: ReadonlySet<string>,
    but?: ReadonlySet<string>,
  ): Promise<Disposable & { readonly members: readonly HeldMember[] }>;
}

/** Where the cgroup of a container is made. */
export type Place = {
  /** The path of its slice, be it named by `slice` or by the cgroup that slice is. */
  readonly slice: string | undefined;
  /** The cgroup around it. */
  readonly parent: string;
};

export interface ContainerSlices {
  /** Throws where nobody may ask for such a --cgroup-parent; "" is none. */
  checkParent(cgroupParent: string): void;
  /** Never fails: what it names may be gone. */
  place(host: { readonly slice: string; readonly cgroupParent: string }): Place;
  /**
   * Throws when the slice does not exist, or no cgroup in it can have such limits; returns what may
   * not be as it was wished.
   */
  check(what: string, place: Place, own: Resources): readonly string[];
  /** Keeps the slice from being removed until the container is one of its members. */
  hold(place: Place): Disposable;
  /** The limits of the container's own cgroup. */
  bind(place: Place, own: Resources): Resources;
  effective(place: Place, id: string): EffectiveLimits;
}

/** What binds the processes of a cgroup: its own limits or those of a cgroup above it. */
export type EffectiveLimits = Readonly<Partial<Record<EffectiveName, Effective>>> & {
  readonly blkio?: readonly EffectiveRate[];
};
export type EffectiveName =
  | 'memory'
  | 'memorySwap'
  | 'swap'
  | 'memoryHigh'
  | 'nanoCpus'
  | 'pidsLimit'
  | 'cpusetCpus'
  | 'cpusetMems';

export type SetBy = {
  /** The cgroup that sets it, below the root of its hierarchy. */
  readonly cgroup: string;
  /** The slice that this cgroup is. */
  readonly slice?: string;
};
export type Effective = SetBy & { readonly value: number | string };
export type EffectiveRate = SetBy & {
  readonly rate: 'readBps' | 'writeBps' | 'readIops' | 'writeIops';
  /** "254:0" */
  readonly device: string;
  readonly value: number;
};
