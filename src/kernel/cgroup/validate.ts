// What makes limits valid: Docker's rules with Docker's texts (moby daemon/daemon_unix.go), because
// clients show them, and ours for what Docker does not have. Docker discards some limits that a
// kernel lacks, with a warning; every other one that cannot be kept is an error.
import { EngineError } from '#base/error.ts';
import type { CgroupFeatures } from './features.ts';
import { type CgroupHost, hierarchyOf } from './host.ts';
import { parseIdList } from './id-list.ts';
import type { Resources } from './resources.ts';
import { validateOurs } from './validate-ours.ts';

export type ResourceFacts = {
  readonly host: CgroupHost;
  readonly features: CgroupFeatures;
  readonly cpuCount: number;
  /** Lists of what the host has ("0-3"), from the root cpuset; undefined without a cpuset. */
  readonly cpus?: string;
  readonly mems?: string;
  /** As hugetlb's files are named: "2MB". */
  readonly hugePages: readonly string[];
};

export type ValidResources = { readonly resources: Resources; readonly warnings: string[] };

const MEMORY_BYTES_MIN = 6 * 1024 * 1024;
const NANO = 1e9;
/** The least quota that the kernel takes, 1 ms, of the period that --cpus has. */
const NANO_CPUS_MIN = NANO / 100;

/** What is being made: fields are taken out of it. */
export type Draft = { -readonly [K in keyof Resources]: Resources[K] };

/** Checks and normalises: Docker's defaults are filled in, what cannot be done is discarded. */
export function validateResources(input: Resources, facts: ResourceFacts): ValidResources {
  const draft: Draft = withoutZeros(input);
  const warnings: string[] = [];
  validateMemory(draft, facts.features, warnings);
  validateMemoryTuning(draft, facts.features, warnings);
  validateCpu(draft, facts, warnings);
  validateRealtime(draft, facts.features);
  validateCpuset(draft, facts, warnings);
  if (draft.pidsLimit !== undefined && draft.pidsLimit <= 0) delete draft.pidsLimit;
  if (draft.pidsLimit !== undefined && !facts.features.pidsLimit) {
    warnings.push(lacks('PIDs limit', 'PIDs limit discarded.'));
    delete draft.pidsLimit;
  }
  validateBlkio(draft, facts.features, warnings);
  validateOurs(draft, facts);
  return { resources: draft, warnings };
}

/**
 * Docker writes "no limit" as 0 and "" everywhere but in swappiness; so do our numbers and lists.
 */
function withoutZeros(input: Resources): Draft {
  const kept = Object.entries(input).filter(([key, value]) => {
    if (value === undefined || value === '' || value === false) return false;
    if (value === 0) return key === 'memorySwappiness';
    return typeof value !== 'object' || key === 'devices' || Object.keys(value).length > 0;
  });
  const draft = Object.fromEntries(kept) as Draft;
  // The API's -1 is "as the parent".
  if (draft.memorySwappiness === -1) delete draft.memorySwappiness;
  return draft;
}

function validateMemory(draft: Draft, features: CgroupFeatures, warnings: string[]): void {
  if (draft.memory !== undefined && draft.memory < MEMORY_BYTES_MIN) {
    throw invalid('Minimum memory limit allowed is 6MB');
  }
  if (draft.memory !== undefined && !features.memory) {
    warnings.push(lacks('memory limit', 'Limitation discarded.'));
    delete draft.memory;
    delete draft.memorySwap;
  }
  if (draft.memory !== undefined && draft.memorySwap !== -1 && !features.memorySwap) {
    warnings.push(lacks('swap limit', 'Memory limited without swap.'));
    draft.memorySwap = -1;
  }
  const { memory, memorySwap = 0 } = draft;
  if (memorySwap < -1) {
    throw invalid(`Invalid value: ${memorySwap}, memoryswap is -1 for no limit, or bytes`);
  }
  if (memory !== undefined && memorySwap > 0 && memorySwap < memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory === undefined && memorySwap > 0) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  // `-m` alone allows as much swap again (docs: "Memory and swap", --memory-swap unset).
  if (memory !== undefined && draft.memorySwap === undefined) draft.memorySwap = memory * 2;
}

function validateMemoryTuning(draft: Draft, features: CgroupFeatures, warnings: string[]): void {
  if (draft.memorySwappiness !== undefined && !features.memorySwappiness) {
    warnings.push(lacks('memory swappiness', 'Memory swappiness discarded.'));
    delete draft.memorySwappiness;
  }
  const { memorySwappiness } = draft;
  if (memorySwappiness !== undefined && (memorySwappiness < 0 || memorySwappiness > 100)) {
    throw invalid(`Invalid value: ${memorySwappiness}, valid memory swappiness range is 0-100`);
  }
  if (draft.memoryReservation !== undefined && !features.memoryReservation) {
    warnings.push(lacks('memory soft limit', 'Limitation discarded.'));
    delete draft.memoryReservation;
  }
  const { memoryReservation } = draft;
  if (memoryReservation !== undefined && memoryReservation < MEMORY_BYTES_MIN) {
    throw invalid('Minimum memory reservation allowed is 6MB');
  }
  if (draft.oomKillDisable === true && !features.oomKillDisable) {
    warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    delete draft.oomKillDisable;
  }
  if (draft.oomKillDisable === true && draft.memory === undefined) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, ' +
        'this can result in the system running out of resources.',
    );
  }
}

function validateCpu(draft: Draft, facts: ResourceFacts, warnings: string[]): void {
  const { features, cpuCount } = facts;
  if (draft.nanoCpus !== undefined) {
    if (draft.cpuPeriod !== undefined) {
      throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
    }
    // -1 is how a quota is taken away.
    if (draft.cpuQuota !== undefined && draft.cpuQuota > 0) {
      throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
    }
    if (!features.cpuQuota) {
      throw invalid(
        'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler ' +
          'or the cgroup is not mounted',
      );
    }
    if (draft.nanoCpus < NANO_CPUS_MIN || draft.nanoCpus > cpuCount * NANO) {
      throw invalid(
        `Range of CPUs is from 0.01 to ${cpuCount}.00, ` +
          `as there are only ${cpuCount} CPUs available`,
      );
    }
  }
  checkShares(draft, facts.host);
  if (draft.cpuShares !== undefined && !features.cpuShares) {
    warnings.push(
      'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
    );
    delete draft.cpuShares;
  }
  if ((draft.cpuPeriod !== undefined || draft.cpuQuota !== undefined) && !features.cpuQuota) {
    warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    delete draft.cpuPeriod;
    delete draft.cpuQuota;
  }
  if (draft.cpuPeriod !== undefined && (draft.cpuPeriod < 1000 || draft.cpuPeriod > 1_000_000)) {
    throw invalid(
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    );
  }
  if (draft.cpuQuota !== undefined && draft.cpuQuota > 0 && draft.cpuQuota < 1000) {
    throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  }
}

/** MIN_SHARES and MAX_SHARES of kernel/sched/sched.h, which version 1 would clamp in silence. */
const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

/** In the words of runc. On version 2 shares are no more than a wish for a weight. */
function checkShares({ cpuShares }: Draft, host: CgroupHost): void {
  if (cpuShares === undefined || hierarchyOf(host, 'cpu') === undefined) return;
  if (cpuShares < SHARES_MIN) throw invalid(`the minimum allowed cpu-shares is ${SHARES_MIN}`);
  if (cpuShares > SHARES_MAX) throw invalid(`the maximum allowed cpu-shares is ${SHARES_MAX}`);
}

function validateCpuset(draft: Draft, facts: ResourceFacts, warnings: string[]): void {
  if (draft.cpusetCpus === undefined && draft.cpusetMems === undefined) return;
  if (!facts.features.cpusetCpus) {
    warnings.push(
      'Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.',
    );
    delete draft.cpusetCpus;
    delete draft.cpusetMems;
    return;
  }
  checkIdList('cpus', 'CPUs', draft.cpusetCpus, facts.cpus);
  checkIdList('mems', 'memory nodes', draft.cpusetMems, facts.mems);
}

function checkIdList(file: string, noun: string, wanted = '', available = ''): void {
  if (wanted === '') return;
  const ids = parseIdList(wanted);
  if (ids === undefined) {
    throw invalid(`Invalid value ${wanted} for cpuset ${file}: invalid format: ${wanted}`);
  }
  const present = parseIdList(available);
  if (available === '' || present === undefined || ids.isSubsetOf(present)) return;
  throw invalid(
    `Requested ${noun} are not available - requested ${wanted}, available: ${available}`,
  );
}

function validateRealtime(draft: Draft, features: CgroupFeatures): void {
  const { cpuRtPeriod, cpuRtRuntime } = draft;
  if (cpuRtPeriod === undefined && cpuRtRuntime === undefined) return;
  if (!features.cpuRtRuntime) throw invalid('Your kernel does not support CPU real-time scheduler');
  if (cpuRtPeriod !== undefined && cpuRtRuntime !== undefined && cpuRtRuntime > cpuRtPeriod) {
    throw invalid('cpu real-time runtime cannot be higher than cpu real-time period');
  }
}

const RATES = {
  readBps: ['BPS Block I/O read limit', 'Block I/O BPS read limit discarded.'],
  writeBps: ['BPS Block I/O write limit', 'Block I/O BPS write limit discarded.'],
  readIops: ['IOPS Block read limit', 'Block I/O IOPS read limit discarded.'],
  writeIops: ['IOPS Block write limit', 'Block I/O IOPS write limit discarded.'],
} as const;

function validateBlkio(draft: Draft, features: CgroupFeatures, warnings: string[]): void {
  if (draft.blkioWeight !== undefined && !features.blkioWeight) {
    warnings.push(lacks('Block I/O weight', 'Weight discarded.', ''));
    delete draft.blkioWeight;
  }
  const { blkioWeight } = draft;
  if (blkioWeight !== undefined && (blkioWeight < 10 || blkioWeight > 1000)) {
    throw invalid('Range of blkio weight is from 10 to 1000');
  }
  if (draft.blkioWeightDevices !== undefined && !features.blkioWeightDevices) {
    warnings.push(lacks('Block I/O weight_device', 'Weight-device discarded.', ''));
    delete draft.blkioWeightDevices;
  }
  if (draft.blkioRates === undefined || features.blkioRates) return;
  for (const [name, [what, consequence]] of Object.entries(RATES)) {
    if (draft.blkioRates.some((each) => each[name as keyof typeof RATES] !== undefined)) {
      warnings.push(lacks(what, consequence, ''));
    }
  }
  delete draft.blkioRates;
}

function lacks(what: string, consequence: string, noun = ' capabilities'): string {
  return `Your kernel does not support ${what}${noun} or the cgroup is not mounted. ${consequence}`;
}

function invalid(message: string): EngineError {
  return new EngineError('invalid_argument', message);
}
