// What a cgroup gets from the slices around it, and what it may not have because of them. Pure.
// The kernel itself hands most limits down; what it does not is copied (docs/cgroups.md):
// - version 1 throttles only the processes of one cgroup, not those below it
//   (cgroup-v1/blkio-controller.rst, "Hierarchical Cgroups"), so each leaf gets the least rate;
// - a cpuset of version 1 keeps what it had when the one above changes, so it is written again;
// - net_cls, net_prio and swappiness of version 1 are handed down when a cgroup is made, not later,
//   and hierarchies that are mounted on demand hold only those that ask.
import { EngineError } from '#base/error.ts';
import { type CgroupHost, hierarchyOf } from '#kernel/cgroup/host.ts';
import { parseIdList } from '#kernel/cgroup/id-list.ts';
import {
  cpuBandwidth,
  type DeviceRates,
  deviceKey,
  RATE_NAMES,
  type Resources,
} from '#kernel/cgroup/resources.ts';

/** A slice with its own limits. */
export type Level = { readonly path: string; readonly own: Resources };

/** The limits of a slice's cgroup; `above` from the top down. */
export function bindSlice(host: CgroupHost, above: readonly Level[], own: Resources): Resources {
  if (hierarchyOf(host, 'cpuset') === undefined) return own;
  return { ...own, ...cpusetOf([...above.map((level) => level.own), own]) };
}

/** The limits of a container's cgroup. */
export function bindContainer(
  host: CgroupHost,
  above: readonly Level[],
  own: Resources,
): Resources {
  if (above.length === 0) return own;
  const has = (controller: string): boolean => hierarchyOf(host, controller) !== undefined;
  const all = [...above.map((level) => level.own), own];
  return {
    ...own,
    ...(has('cpuset') ? cpusetOf(all) : {}),
    ...(has('memory') ? last(all, 'memorySwappiness') : {}),
    ...(has('blkio') ? ratesOf(all) : {}),
    ...(has('net_cls') ? last(all, 'netClassId') : {}),
    ...(has('net_prio') ? maps(all, 'netPrio', (_above, below) => below) : {}),
    ...(has('hugetlb') ? maps(all, 'hugetlb', Math.min) : {}),
  };
}

function cpusetOf(all: readonly Resources[]): Resources {
  return { ...last(all, 'cpusetCpus'), ...last(all, 'cpusetMems') };
}

/** The nearest one. */
function last<K extends keyof Resources>(all: readonly Resources[], key: K): Resources {
  const value = all.findLast((each) => each[key] !== undefined)?.[key];
  return value === undefined ? {} : { [key]: value };
}

function maps(
  all: readonly Resources[],
  key: 'netPrio' | 'hugetlb',
  both: (above: number, below: number) => number,
): Resources {
  const made = new Map<string, number>();
  for (const each of all) {
    for (const [name, value] of Object.entries(each[key] ?? {})) {
      const above = made.get(name);
      made.set(name, above === undefined ? value : both(above, value));
    }
  }
  return made.size === 0 ? {} : { [key]: Object.fromEntries(made) };
}

/** The least rate of each disk. */
function ratesOf(all: readonly Resources[]): Resources {
  const disks = new Map<string, DeviceRates>();
  for (const { blkioRates = [] } of all) {
    for (const rates of blkioRates) {
      const key = deviceKey(rates);
      disks.set(key, leastRates(disks.get(key) ?? rates, rates));
    }
  }
  return disks.size === 0 ? {} : { blkioRates: [...disks.values()] };
}

function leastRates(a: DeviceRates, b: DeviceRates): DeviceRates {
  const { major, minor } = a;
  const rates = RATE_NAMES.flatMap((name) => {
    const values = [a[name], b[name]].filter((each) => each !== undefined);
    return values.length === 0 ? [] : [[name, Math.min(...values)] as const];
  });
  return { major, minor, ...Object.fromEntries(rates) };
}

/**
 * Throws where the kernel would answer EINVAL or EACCES, which say neither what is too much nor who
 * has less; returns warnings where it takes the limit and another one binds.
 */
export function checkBelow(
  host: CgroupHost,
  what: string,
  above: readonly Level[],
  own: Resources,
): readonly string[] {
  checkRealtime(what, above, own);
  return [...checkCpu(host, what, above, own), ...checkCpuset(host, what, above, own)];
}

function checkCpu(
  host: CgroupHost,
  what: string,
  above: readonly Level[],
  own: Resources,
): readonly string[] {
  const wanted = cpusOf(own);
  const least = leastCpus(above);
  if (wanted === undefined || least === undefined || wanted <= least.cpus) return [];
  const present = number(least.cpus);
  const text = `${what} wants ${number(wanted)} CPUs, but slice ${least.path} has ${present}`;
  if (hierarchyOf(host, 'cpu') === undefined) return [`${text}, which is what binds.`];
  throw new EngineError(
    'conflict',
    `${text}: cgroup v1 lets no cgroup have more than those above it. ` +
      'Ask for less, or give the slice more first (coracle slice update --cpus).',
  );
}

function leastCpus(above: readonly Level[]) {
  let least: { readonly path: string; readonly cpus: number } | undefined;
  for (const { path, own } of above) {
    const cpus = cpusOf(own);
    if (cpus !== undefined && cpus < (least?.cpus ?? Number.POSITIVE_INFINITY)) {
      least = { path, cpus };
    }
  }
  return least;
}

/** The kernel's defaults, in microseconds. */
const CPU_PERIOD_US = 100_000;
const RT_PERIOD_US = 1_000_000;

export function cpusOf(resources: Resources): number | undefined {
  const { quota = -1, period = CPU_PERIOD_US } = cpuBandwidth(resources);
  return quota > 0 ? quota / period : undefined;
}

/** Each level of version 1 has what it was given, and hands no more than that down. */
function checkRealtime(what: string, above: readonly Level[], own: Resources): void {
  const { cpuRtRuntime: wanted = 0 } = own;
  const slice = above.at(-1);
  if (wanted <= 0 || slice === undefined) return;
  const { cpuRtRuntime: present = 0 } = slice.own;
  if (present > 0 && realtimeOf(own) <= realtimeOf(slice.own)) return;
  const has = present > 0 ? `${present} µs` : 'none';
  throw new EngineError(
    'conflict',
    `${what} wants ${wanted} µs of real-time, but slice ${slice.path} has ${has}. Ask for less, or ` +
      'give the slice more first (coracle slice update --cpu-rt-runtime).',
  );
}

function realtimeOf({ cpuRtRuntime = 0, cpuRtPeriod = RT_PERIOD_US }: Resources): number {
  return cpuRtRuntime / cpuRtPeriod;
}

const CPUSETS = [
  ['cpusetCpus', 'CPUs'],
  ['cpusetMems', 'memory nodes'],
] as const;

function checkCpuset(
  host: CgroupHost,
  what: string,
  above: readonly Level[],
  own: Resources,
): readonly string[] {
  const warnings: string[] = [];
  for (const [key, noun] of CPUSETS) {
    const wanted = own[key];
    const holder = above.findLast((level) => level.own[key] !== undefined);
    const present = holder?.own[key];
    if (wanted === undefined || present === undefined) continue;
    const [ids, allowed] = [parseIdList(wanted), parseIdList(present)];
    if (ids === undefined || allowed === undefined || ids.isSubsetOf(allowed)) continue;
    const text = `${what} wants the ${noun} ${wanted}, but slice ${holder?.path} has ${present}`;
    if (hierarchyOf(host, 'cpuset') === undefined) {
      warnings.push(`${text}, and no other is used.`);
      continue;
    }
    throw new EngineError('conflict', `${text}: cgroup v1 lets no cgroup have others.`);
  }
  return warnings;
}

/** Both lists as one; undefined, "as above it", is all. */
export function unionOf(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  const ids = (parseIdList(a) ?? new Set<number>()).union(parseIdList(b) ?? new Set<number>());
  return [...ids].sort((one, other) => one - other).join(',');
}

function number(value: number): string {
  return String(Number(value.toFixed(3)));
}
