// v1 `memory` (cgroup-v1/memory.rst). In a new cgroup both limits are unlimited, so the limit is
// lowered first and memory+swap after it: memsw below the limit is EINVAL.
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep, ReadBackRule } from '../step.ts';

export function planMemory(directory: string, resources: Resources): CgroupWriteStep[] {
  const steps: CgroupWriteStep[] = [];
  const write = (file: string, value: number, check: ReadBackRule): void => {
    const path = `${directory}/${file}`;
    steps.push({ op: 'cgroup_write', path, value: String(value), check });
  };
  const { memory, memorySwap, memoryReservation, memorySwappiness, oomKillDisable } = resources;
  if (memory !== undefined) write('memory.limit_in_bytes', memory, 'page_rounded');
  // -1 is what a new cgroup has; not writing it also serves kernels without swap accounting.
  if (memorySwap !== undefined && memorySwap > 0) {
    write('memory.memsw.limit_in_bytes', memorySwap, 'page_rounded');
  }
  if (memoryReservation !== undefined) {
    write('memory.soft_limit_in_bytes', memoryReservation, 'page_rounded');
  }
  if (memorySwappiness !== undefined) write('memory.swappiness', memorySwappiness, 'exact');
  if (oomKillDisable === true) write('memory.oom_control', 1, 'oom_control');
  return steps;
}
