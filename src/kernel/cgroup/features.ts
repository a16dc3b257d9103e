// What limits this kernel offers. Asked once, of a cgroup of ours: in v2 the root cgroup has no
// limit files, and in v1 a build option or boot parameter decides on single files.
import { directoryOf, type CgroupHost, hierarchyOf } from './host.ts';
import type { CgroupFeatures } from './resources.ts';

/** `parent` is an existing cgroup below each root; `exists` tells of one absolute path. */
export function detectFeatures(
  host: CgroupHost,
  parent: string,
  exists: (path: string) => boolean,
): CgroupFeatures {
  const has = (controller: string, v1: string, v2: string | undefined): boolean => {
    const hierarchy = hierarchyOf(host, controller);
    if (hierarchy !== undefined) return exists(`${directoryOf(hierarchy, parent)}/${v1}`);
    if (host.unified === undefined || v2 === undefined) return false;
    return exists(`${directoryOf(host.unified, parent)}/${v2}`);
  };
  return {
    memory: has('memory', 'memory.limit_in_bytes', 'memory.max'),
    swap: has('memory', 'memory.memsw.limit_in_bytes', 'memory.swap.max'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes', 'memory.low'),
    swappiness: has('memory', 'memory.swappiness', undefined),
    oomKillDisable: has('memory', 'memory.oom_control', undefined),
    cpuShares: has('cpu', 'cpu.shares', 'cpu.weight'),
    cpuCfs: has('cpu', 'cpu.cfs_quota_us', 'cpu.max'),
    cpuset: has('cpuset', 'cpuset.cpus', 'cpuset.cpus'),
    pids: has('pids', 'pids.max', 'pids.max'),
    blkioWeight: has('blkio', 'blkio.bfq.weight', undefined) || has('io', 'io.weight', 'io.weight'),
  };
}
