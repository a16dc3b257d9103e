// v1 `blkio` (cgroup-v1/blkio-controller.rst). CFQ's blkio.weight is gone since Linux 5.0, and
// blkio.bfq.weight has effect only on disks whose scheduler is bfq. A throttle binds the processes
// of one cgroup, not of those below it, and only reads and writes that the process itself starts:
// what is written back from the page cache later counts for the root.
import {
  type DeviceRates,
  deviceKey,
  RATE_NAMES,
  type RateName,
  type Resources,
} from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

const FILES: Readonly<Record<RateName, string>> = {
  readBps: 'blkio.throttle.read_bps_device',
  writeBps: 'blkio.throttle.write_bps_device',
  readIops: 'blkio.throttle.read_iops_device',
  writeIops: 'blkio.throttle.write_iops_device',
};

export function planBlkio(directory: string, resources: Resources): CgroupWriteStep[] {
  const { blkioWeight, blkioWeightDevices = [], blkioRates = [] } = resources;
  const steps: CgroupWriteStep[] = [];
  if (blkioWeight !== undefined) {
    const path = `${directory}/blkio.bfq.weight`;
    steps.push({ op: 'cgroup_write', path, value: String(blkioWeight), check: 'io_weight' });
  }
  for (const each of blkioWeightDevices) {
    const path = `${directory}/blkio.bfq.weight_device`;
    const value = `${deviceKey(each)} ${each.weight}`;
    steps.push({ op: 'cgroup_write', path, value, check: 'keyed' });
  }
  return [...steps, ...blkioRates.flatMap((each) => planRates(directory, each))];
}

function planRates(directory: string, rates: DeviceRates): CgroupWriteStep[] {
  return RATE_NAMES.flatMap((name): CgroupWriteStep[] => {
    const rate = rates[name];
    if (rate === undefined) return [];
    const value = `${deviceKey(rates)} ${rate}`;
    return [{ op: 'cgroup_write', path: `${directory}/${FILES[name]}`, value, check: 'keyed' }];
  });
}
