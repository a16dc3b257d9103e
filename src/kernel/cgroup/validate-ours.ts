// Limits that Docker does not have: each that cannot be kept is an error that names the file.
import { EngineError } from '#base/error.ts';
import { hugePageBytes } from './hugetlb.ts';
import { type Limit, LIMITS, placeOf } from './limit.ts';
import { CPUSET_PARTITIONS, cpuBandwidth, type Resources } from './resources.ts';
import type { ResourceFacts } from './validate.ts';

const OURS = [
  'memoryHigh',
  'memoryMin',
  'memorySwapHigh',
  'memoryOomGroup',
  'cpuBurst',
  'cpuIdle',
  'cpuUclampMin',
  'cpuUclampMax',
  'cpusetPartition',
  'netClassId',
  'netPrio',
  'hugetlb',
  'rdma',
  'misc',
] as const satisfies readonly Limit[];

/** The kernel keeps 32 bits; 0 and 0xffffffff mean no class (net_cls, tc-handle). */
const CLASS_ID_MAX = 0xffff_fffe;
const PRIORITY_MAX = 0xffff_ffff;
/** IFNAMSIZ of the kernel, without the NUL. */
const INTERFACE_NAME = /^[^\s/:]{1,15}$/;
const COUNTED_NAME = /^[A-Za-z0-9_.:-]{1,64}$/;
const ENTRIES_MAX = 64;

export function validateOurs(draft: Resources, facts: ResourceFacts): void {
  for (const limit of OURS) {
    if (draft[limit] === undefined) continue;
    const place = placeOf(facts.host, limit);
    if (!place.has) throw invalid(`${LIMITS[limit].field} cannot be set: ${place.why}`);
  }
  validateCpu(draft);
  validateMemory(draft);
  validateNet(draft);
  validateCounted(draft, facts);
}

function validateCpu(draft: Resources): void {
  const { cpuBurst, cpuIdle, cpuShares, cpusetPartition } = draft;
  if (cpuBurst !== undefined) {
    const { quota = -1 } = cpuBandwidth(draft);
    if (cpuBurst < 0 || quota <= 0 || cpuBurst > quota) {
      throw invalid(
        `CpuBurst ${cpuBurst} needs a CPU quota that is as large (--cpus or --cpu-quota), and this ` +
          `container has ${quota <= 0 ? 'none' : quota}`,
      );
    }
  }
  if (cpuIdle === true && cpuShares !== undefined) {
    throw invalid('Conflicting options: CpuIdle and CpuShares cannot both be set');
  }
  for (const key of ['cpuUclampMin', 'cpuUclampMax'] as const) {
    const percent = draft[key];
    if (percent !== undefined && !(percent >= 0 && percent <= 100)) {
      throw invalid(`Invalid value: ${percent}, valid ${LIMITS[key].field} range is 0-100`);
    }
  }
  if (cpusetPartition !== undefined && !CPUSET_PARTITIONS.includes(cpusetPartition)) {
    const known = CPUSET_PARTITIONS.join(', ');
    throw invalid(`invalid CpusetPartition '${String(cpusetPartition)}': it is one of ${known}`);
  }
  if (cpusetPartition !== undefined && cpusetPartition !== 'member' && !draft.cpusetCpus) {
    throw invalid(`CpusetPartition ${cpusetPartition} needs CPUs of its own: set CpusetCpus too`);
  }
}

function validateMemory({ memory, memoryHigh, memoryMin, memorySwapHigh }: Resources): void {
  const named = { MemoryHigh: memoryHigh, MemoryMin: memoryMin, MemorySwapHigh: memorySwapHigh };
  for (const [name, value] of Object.entries(named)) {
    if (value !== undefined && value < 0) throw invalid(`${name} cannot be negative: ${value}`);
  }
  if (memory !== undefined && memoryHigh !== undefined && memoryHigh > memory) {
    throw invalid(
      `MemoryHigh ${memoryHigh} above the memory limit ${memory} would never be reached`,
    );
  }
  if (memory !== undefined && memoryMin !== undefined && memoryMin > memory) {
    throw invalid(`MemoryMin ${memoryMin} cannot be above the memory limit ${memory}`);
  }
}

function validateNet({ netClassId, netPrio = {} }: Resources): void {
  if (netClassId !== undefined && !isWhole(netClassId, CLASS_ID_MAX)) {
    throw invalid(
      `invalid NetClassId ${netClassId}: it is 0xMAJORMINOR, from 1 to ${CLASS_ID_MAX}`,
    );
  }
  const entries = Object.entries(netPrio);
  if (entries.length > ENTRIES_MAX) throw invalid(`NetPrio has more than ${ENTRIES_MAX} entries`);
  for (const [name, priority] of entries) {
    if (!INTERFACE_NAME.test(name)) throw invalid(`invalid interface name in NetPrio: '${name}'`);
    if (!isWhole(priority, PRIORITY_MAX)) {
      throw invalid(`invalid NetPrio of ${name}: ${priority} is not from 0 to ${PRIORITY_MAX}`);
    }
  }
}

function validateCounted(draft: Resources, { hugePages }: ResourceFacts): void {
  const { hugetlb = {}, rdma = {}, misc = {} } = draft;
  for (const [size, bytes] of Object.entries(hugetlb)) {
    if (hugePageBytes(size) === undefined || !hugePages.includes(size)) {
      const has = hugePages.length === 0 ? 'none' : hugePages.join(', ');
      throw invalid(`HugetlbLimits: this host has no huge pages of '${size}'; it has ${has}`);
    }
    if (!isWhole(bytes)) throw invalid(`invalid HugetlbLimits of ${size}: ${bytes} bytes`);
  }
  const counts = [
    ...Object.entries(rdma).flatMap(([name, { hcaHandle = 0, hcaObject = 0 }]) => [
      ['RdmaLimits', name, hcaHandle] as const,
      ['RdmaLimits', name, hcaObject] as const,
    ]),
    ...Object.entries(misc).map(([name, count]) => ['MiscLimits', name, count] as const),
  ];
  if (counts.length > ENTRIES_MAX)
    throw invalid(`more than ${ENTRIES_MAX} limits of rdma and misc`);
  for (const [field, name, count] of counts) {
    if (!COUNTED_NAME.test(name)) throw invalid(`invalid name in ${field}: '${name}'`);
    if (!isWhole(count)) throw invalid(`invalid ${field} of ${name}: ${count}`);
  }
}

function isWhole(value: number, max = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function invalid(message: string): EngineError {
  return new EngineError('invalid_argument', message);
}
