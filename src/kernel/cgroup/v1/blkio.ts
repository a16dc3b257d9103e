// v1 `blkio`: only the weight so far; CFQ's blkio.weight is gone since Linux 5.0, and
// blkio.bfq.weight has effect only on disks whose scheduler is bfq.
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planBlkio(directory: string, resources: Resources): CgroupWriteStep[] {
  if (resources.blkioWeight === undefined) return [];
  const value = String(resources.blkioWeight);
  const path = `${directory}/blkio.bfq.weight`;
  return [{ op: 'cgroup_write', path, value, check: 'io_weight' }];
}
