// v2 `io`: only the weight so far (cgroup-v2.rst, "IO Interface Files").
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

/** 10..1000 of blkio to 1..10000 of io, as a straight line. */
export function ioWeight(blkioWeight: number): number {
  return Math.floor(1 + ((blkioWeight - 10) * 9999) / 990);
}

export function planIo(directory: string, resources: Resources): CgroupWriteStep[] {
  if (resources.blkioWeight === undefined) return [];
  const value = String(ioWeight(resources.blkioWeight));
  return [{ op: 'cgroup_write', path: `${directory}/io.weight`, value, check: 'io_weight' }];
}
