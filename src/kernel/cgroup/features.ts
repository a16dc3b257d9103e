// What limits this kernel offers. Asked once, of cgroups of ours: in v2 the root cgroup has no
// limit files, and in v1 a build option or boot parameter decides on single files.
import { allHierarchies, type CgroupHost, directoryOf, parentPath } from './host.ts';
import { type Limit, placeOf } from './limit.ts';

/** What Docker warns of where it is missing, by the name of the limit. */
const WARNED = [
  'memory',
  'memorySwap',
  'memoryReservation',
  'memorySwappiness',
  'oomKillDisable',
  'cpuShares',
  'cpuQuota',
  'cpuRtRuntime',
  'cpusetCpus',
  'pidsLimit',
  'blkioWeight',
  'blkioWeightDevices',
  'blkioRates',
] as const satisfies readonly Limit[];

export type CgroupFeatures = Readonly<Record<(typeof WARNED)[number], boolean>>;

/** The host with the names of files in the directories of `parent`, which exist. */
export function withFiles(
  host: CgroupHost,
  parent: string,
  list: (directory: string) => readonly string[],
): CgroupHost {
  const onDemand = new Set(host.onDemand);
  const directories = allHierarchies(host)
    .filter((each) => !onDemand.has(each))
    .map((each) => directoryOf(each, parentPath(each, parent)));
  return { ...host, files: new Set(directories.flatMap((directory) => list(directory))) };
}

export function detectFeatures(host: CgroupHost): CgroupFeatures {
  const features = WARNED.map((limit) => [limit, placeOf(host, limit).has] as const);
  return Object.fromEntries(features) as CgroupFeatures;
}
