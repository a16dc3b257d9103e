// v2 `memory` (cgroup-v2.rst, "Memory Interface Files"). Swap is counted apart from memory here,
// while Docker's MemorySwap is the sum. Swappiness and "no OOM killer" have no file in v2:
// validateResources() has discarded them with a warning.
import type { Resources } from '../resources.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planMemory(directory: string, resources: Resources): CgroupWriteStep[] {
  const steps: CgroupWriteStep[] = [];
  const write = (file: string, bytes: number | undefined): void => {
    if (bytes === undefined) return;
    const path = `${directory}/${file}`;
    steps.push({ op: 'cgroup_write', path, value: String(bytes), check: 'page_rounded' });
  };
  const { memory, memorySwap, memoryOomGroup } = resources;
  write('memory.max', memory);
  // -1 is "max", which a new cgroup has.
  if (memory !== undefined && memorySwap !== undefined && memorySwap > 0) {
    write('memory.swap.max', memorySwap - memory);
  }
  write('memory.low', resources.memoryReservation);
  write('memory.high', resources.memoryHigh);
  write('memory.min', resources.memoryMin);
  write('memory.swap.high', resources.memorySwapHigh);
  if (memoryOomGroup === true) write('memory.oom.group', 1);
  return steps;
}
