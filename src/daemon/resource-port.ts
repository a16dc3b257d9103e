// Limits as container/ has them → limits that this kernel keeps, with Docker's texts and warnings.
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { EngineError } from '#base/error.ts';
import type { ResourceChecker } from '#container/port.ts';
import type { Resources } from '#container/spec.ts';
import { detectFeatures } from '#kernel/cgroup/features.ts';
import { type CgroupHost, directoryOf, hierarchyOf } from '#kernel/cgroup/host.ts';
import {
  type CgroupFeatures,
  type ResourceFacts,
  type Resources as Limits,
  validateResources,
} from '#kernel/cgroup/resources.ts';

export function readFeatures(host: CgroupHost, parent: string): CgroupFeatures {
  return detectFeatures(host, parent, existsSync);
}

export function makeResourceChecker(host: CgroupHost, features: CgroupFeatures): ResourceChecker {
  const facts: ResourceFacts = {
    features,
    cpuCount: cpus().length || availableParallelism(),
    ...idLists(host),
  };
  return {
    check: (resources) => {
      checkOthers(resources);
      const valid = validateResources(limitsOf(resources), facts);
      const { devices: _devices, blkioWeight: _weight, ...rest } = valid.resources;
      return { resources: rest, warnings: [...valid.warnings, ...unapplied(resources)] };
    },
  };
}

function idLists(host: CgroupHost): Pick<ResourceFacts, 'cpus' | 'mems'> {
  const hierarchy = hierarchyOf(host, 'cpuset') ?? host.unified;
  if (hierarchy === undefined) return {};
  const root = directoryOf(hierarchy, '/');
  const read = (...names: readonly string[]): string | undefined => {
    const file = names.map((name) => `${root}/${name}`).find((path) => existsSync(path));
    return file === undefined ? undefined : readFileSync(file, 'utf8').trim();
  };
  const [cpuList, memList] = [
    read('cpuset.effective_cpus', 'cpuset.cpus.effective', 'cpuset.cpus'),
    read('cpuset.effective_mems', 'cpuset.mems.effective', 'cpuset.mems'),
  ];
  return {
    ...(cpuList === undefined ? {} : { cpus: cpuList }),
    ...(memList === undefined ? {} : { mems: memList }),
  };
}

function limitsOf(resources: Resources): Limits {
  const { memorySwappiness, oomKillDisable, pidsLimit } = resources;
  return {
    memory: resources.memory,
    memorySwap: resources.memorySwap,
    memoryReservation: resources.memoryReservation,
    ...(memorySwappiness === undefined ? {} : { memorySwappiness }),
    ...(oomKillDisable === undefined ? {} : { oomKillDisable }),
    cpuShares: resources.cpuShares,
    cpuPeriod: resources.cpuPeriod,
    cpuQuota: resources.cpuQuota,
    nanoCpus: resources.nanoCpus,
    cpusetCpus: resources.cpusetCpus,
    cpusetMems: resources.cpusetMems,
    ...(pidsLimit === undefined ? {} : { pidsLimit }),
  };
}

function checkOthers(resources: Resources): void {
  if (resources.cpuRealtimePeriod !== 0 || resources.cpuRealtimeRuntime !== 0) {
    throw new EngineError(
      'invalid_argument',
      'Your kernel does not support CPU real-time scheduler',
    );
  }
  if (isSet(resources.other['DeviceRequests'])) {
    throw new EngineError(
      'not_implemented',
      'could not select device driver: device requests (--gpus) are not supported',
    );
  }
}

/** A limit that is not kept must not be passed over in silence. */
function unapplied(resources: Resources): string[] {
  const names = Object.entries(resources.other)
    .filter(([, value]) => isSet(value))
    .map(([name]) => name);
  if (resources.blkioWeight !== 0) names.push('BlkioWeight');
  return names.map((name) => `${name} is stored but not applied by this version.`);
}

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== null && value !== 0 && value !== '' && value !== false;
}
