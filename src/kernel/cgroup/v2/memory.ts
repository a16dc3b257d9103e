// v2 `memory` (cgroup-v2.rst, "Memory Interface Files"). Swap is counted apart from memory here,
// while Docker's MemorySwap is the sum. Swappiness and "no OOM killer" have no file in v2:
// validateResources() has discarded them with a warning.
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planMemory(directory: string, resources: Resources): CgroupWriteStep[] {
  const steps: CgroupWriteStep[] = [];
  const write = (file: string, bytes: number): void => {
    const path = `${directory}/${file}`;
    steps.push({ op: 'cgroup_write', path, value: String(bytes), check: 'page_rounded' });
  };
  const { memory, memorySwap, memoryReservation } = resources;
  if (memory !== undefined) {
    write('memory.max', memory);
    // -1 is "max", which a new cgroup has.
    if (memorySwap !== undefined && memorySwap > 0) write('memory.swap.max', memorySwap - memory);
  }
  if (memoryReservation !== undefined) write('memory.low', memoryReservation);
  return steps;
}
