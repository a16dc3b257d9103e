// v2 `io` (cgroup-v2.rst, "IO Interface Files"). A throttle holds for all below, and for what is
// written back from the page cache too. Weights: io.weight is iocost's, io.bfq.weight that of the
// scheduler bfq; which of them has effect is up to each disk, so the default is written to both
// where both are. The weight of one disk is refused (ENOTSUP) by the one that this disk has not.
import { type DeviceRates, deviceKey, type Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export const IO_WEIGHT_FILES = ['io.weight', 'io.bfq.weight'] as const;

/** 10..1000 of blkio to 1..10000 of io, as a straight line. */
export function ioWeight(blkioWeight: number): number {
  return Math.floor(1 + ((blkioWeight - 10) * 9999) / 990);
}

/** `files`: which of IO_WEIGHT_FILES this kernel has. */
export function planIo(
  directory: string,
  resources: Resources,
  files: readonly string[] = ['io.weight'],
): CgroupWriteStep[] {
  const { blkioWeight, blkioWeightDevices = [], blkioRates = [] } = resources;
  const steps: CgroupWriteStep[] = [];
  for (const file of files) {
    const path = `${directory}/${file}`;
    // bfq has the range of blkio.
    const scale = (weight: number): number =>
      file === 'io.bfq.weight' ? weight : ioWeight(weight);
    if (blkioWeight !== undefined) {
      const value = String(scale(blkioWeight));
      steps.push({ op: 'cgroup_write', path, value, check: 'io_weight' });
    }
    for (const each of blkioWeightDevices) {
      if (files.length > 1 && (file === 'io.bfq.weight') !== (each.bfq ?? false)) continue;
      const value = `${deviceKey(each)} ${scale(each.weight)}`;
      steps.push({ op: 'cgroup_write', path, value, check: 'keyed' });
    }
  }
  return [...steps, ...blkioRates.map((each) => planMax(directory, each))];
}

function planMax(directory: string, rates: DeviceRates): CgroupWriteStep {
  const { readBps = 'max', writeBps = 'max', readIops = 'max', writeIops = 'max' } = rates;
  const max = `rbps=${readBps} wbps=${writeBps} riops=${readIops} wiops=${writeIops}`;
  const value = `${deviceKey(rates)} ${max}`;
  return { op: 'cgroup_write', path: `${directory}/io.max`, value, check: 'keyed' };
}
