// Resource limits of a container in the terms of Docker's HostConfig, and what makes them valid.
// The texts of errors and warnings are Docker's (moby daemon/daemon_unix.go): clients show them.
import { EngineError } from '#base/error.ts';
import type { DeviceRule } from './device-rule.ts';
import { parseIdList } from './id-list.ts';

/** Absent means "no limit". Bytes, microseconds and counts are whole numbers. */
export type Resources = {
  readonly memory?: number;
  /** Memory and swap together; -1 is unlimited swap. */
  readonly memorySwap?: number;
  readonly memoryReservation?: number;
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  readonly cpuShares?: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  readonly nanoCpus?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pidsLimit?: number;
  readonly blkioWeight?: number;
  /** Applied in order after "deny everything"; absent leaves devices unrestricted. */
  readonly devices?: readonly DeviceRule[];
};

/** What the kernel and the mounted hierarchies can do; detectFeatures() finds out. */
export type CgroupFeatures = {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly memoryReservation: boolean;
  readonly swappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuShares: boolean;
  readonly cpuCfs: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly blkioWeight: boolean;
};

export type ResourceFacts = {
  readonly features: CgroupFeatures;
  readonly cpuCount: number;
  /** Lists of what the host has ("0-3"), from the root cpuset; undefined without a cpuset. */
  readonly cpus?: string;
  readonly mems?: string;
};

export type ValidResources = { readonly resources: Resources; readonly warnings: string[] };

const MEMORY_BYTES_MIN = 6 * 1024 * 1024;
const NANO = 1e9;
/** Docker's period for --cpus, in microseconds: 100 ms. */
const CPU_PERIOD_US = 100_000;

type Draft = { -readonly [K in keyof Resources]: Resources[K] };

/** Checks and normalises: Docker's defaults are filled in, what cannot be done is discarded. */
export function validateResources(input: Resources, facts: ResourceFacts): ValidResources {
  const draft: Draft = withoutZeros(input);
  const warnings: string[] = [];
  validateMemory(draft, facts.features, warnings);
  validateMemoryTuning(draft, facts.features, warnings);
  validateCpu(draft, facts, warnings);
  validateCpuset(draft, facts, warnings);
  if (draft.pidsLimit !== undefined && draft.pidsLimit <= 0) delete draft.pidsLimit;
  if (draft.pidsLimit !== undefined && !facts.features.pids) {
    warnings.push(lacks('PIDs limit', 'PIDs limit discarded.'));
    delete draft.pidsLimit;
  }
  validateBlkio(draft, facts.features, warnings);
  return { resources: draft, warnings };
}

/** Docker writes "no limit" as 0 and "" everywhere but in swappiness. */
function withoutZeros(input: Resources): Draft {
  const draft: Draft = { ...input };
  for (const key of Object.keys(draft) as (keyof Resources)[]) {
    const value = draft[key];
    if (value === '' || (value === 0 && key !== 'memorySwappiness')) delete draft[key];
  }
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
  if (draft.memory !== undefined && draft.memorySwap !== -1 && !features.swap) {
    warnings.push(lacks('swap limit', 'Memory limited without swap.'));
    draft.memorySwap = -1;
  }
  const { memory, memorySwap = 0 } = draft;
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
  if (draft.memorySwappiness !== undefined && !features.swappiness) {
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
  const { memory, memoryReservation } = draft;
  if (memoryReservation !== undefined && memoryReservation < MEMORY_BYTES_MIN) {
    throw invalid('Minimum memory reservation allowed is 6MB');
  }
  if (memory !== undefined && memoryReservation !== undefined && memory < memoryReservation) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
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
    if (draft.cpuQuota !== undefined) {
      throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
    }
    if (!features.cpuCfs) {
      throw invalid(
        'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler ' +
          'or the cgroup is not mounted',
      );
    }
    if (draft.nanoCpus < 0 || draft.nanoCpus > cpuCount * NANO) {
      throw invalid(
        `Range of CPUs is from 0.01 to ${cpuCount}.00, ` +
          `as there are only ${cpuCount} CPUs available`,
      );
    }
  }
  if (draft.cpuShares !== undefined && !features.cpuShares) {
    warnings.push(
      'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
    );
    delete draft.cpuShares;
  }
  if ((draft.cpuPeriod !== undefined || draft.cpuQuota !== undefined) && !features.cpuCfs) {
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

function validateCpuset(draft: Draft, facts: ResourceFacts, warnings: string[]): void {
  if (draft.cpusetCpus === undefined && draft.cpusetMems === undefined) return;
  if (!facts.features.cpuset) {
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
  if (ids === undefined) throw invalid(`Invalid value ${wanted} for cpuset ${file}`);
  const present = parseIdList(available);
  if (available === '' || present === undefined || ids.isSubsetOf(present)) return;
  throw invalid(
    `Requested ${noun} are not available - requested ${wanted}, available: ${available}`,
  );
}

function validateBlkio(draft: Draft, features: CgroupFeatures, warnings: string[]): void {
  if (draft.blkioWeight === undefined) return;
  if (!features.blkioWeight) {
    warnings.push(lacks('Block I/O weight', 'Weight discarded.', ''));
    delete draft.blkioWeight;
    return;
  }
  if (draft.blkioWeight < 10 || draft.blkioWeight > 1000) {
    throw invalid('Range of blkio weight is from 10 to 1000');
  }
}

/** `--cpus` and `--cpu-quota/--cpu-period` are the same two numbers. */
export function cpuBandwidth(resources: Resources): {
  readonly quota?: number;
  readonly period?: number;
} {
  if (resources.nanoCpus !== undefined) {
    const quota = Math.floor((resources.nanoCpus * CPU_PERIOD_US) / NANO);
    return { quota, period: CPU_PERIOD_US };
  }
  return {
    ...(resources.cpuQuota === undefined ? {} : { quota: resources.cpuQuota }),
    ...(resources.cpuPeriod === undefined ? {} : { period: resources.cpuPeriod }),
  };
}

function lacks(what: string, consequence: string, noun = ' capabilities'): string {
  return `Your kernel does not support ${what}${noun} or the cgroup is not mounted. ${consequence}`;
}

function invalid(message: string): EngineError {
  return new EngineError('invalid_argument', message);
}
