// What really binds a cgroup: the least of its own limits and of those above it, as the kernel's
// files say. So cgroups count too that nobody made by us, and what others wrote: nothing is kept
// from one time to the next. It is asked with every inspect, so a file is read only where it can
// bind.
import { closeSync, openSync, readSync } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf } from '#base/error.ts';
import {
  type CgroupHost,
  directoryOf,
  type Hierarchy,
  hierarchyOf,
  lineage,
} from '#kernel/cgroup/host.ts';
import type { RateName } from '#kernel/cgroup/resources.ts';
import { parseLimit } from '#kernel/cgroup/usage/keyed.ts';
import type { Effective, EffectiveLimits, EffectiveName, EffectiveRate } from './port.ts';

/** LONG_MAX, rounded to pages, is how version 1 writes "none" of memory (page_counter.h). */
const NONE_MIN = 2 ** 62;
const NANO = 1e9;

const RATE_FILES: Readonly<Record<RateName, readonly [v1: string, v2: string]>> = {
  readBps: ['blkio.throttle.read_bps_device', 'rbps'],
  writeBps: ['blkio.throttle.write_bps_device', 'wbps'],
  readIops: ['blkio.throttle.read_iops_device', 'riops'],
  writeIops: ['blkio.throttle.write_iops_device', 'wiops'],
};

/** `sliceOf` names the slice that a cgroup is. */
export function effectiveLimits(
  host: CgroupHost,
  cgroup: string,
  sliceOf: (cgroup: string) => string | undefined,
): EffectiveLimits {
  const reader = new Lineage(host, cgroup, sliceOf);
  const byFile = (name: EffectiveName, v1: string, v2: string) =>
    reader.least(name, v1, v2, (text) => parseLimit(text));
  return {
    ...byFile('memory', 'memory.limit_in_bytes', 'memory.max'),
    ...byFile('memorySwap', 'memory.memsw.limit_in_bytes', ''),
    ...byFile('swap', '', 'memory.swap.max'),
    ...byFile('memoryHigh', '', 'memory.high'),
    ...reader.cpus(),
    ...byFile('pidsLimit', 'pids.max', 'pids.max'),
    ...reader.narrowed('cpusetCpus', 'cpuset.effective_cpus', 'cpuset.cpus.effective'),
    ...reader.narrowed('cpusetMems', 'cpuset.effective_mems', 'cpuset.mems.effective'),
    ...reader.rates(),
  };
}

type Level = { readonly cgroup: string; readonly directory: string };

class Lineage {
  readonly #host: CgroupHost;
  readonly #cgroup: string;
  readonly #sliceOf: (cgroup: string) => string | undefined;

  constructor(host: CgroupHost, cgroup: string, sliceOf: (cgroup: string) => string | undefined) {
    this.#host = host;
    this.#cgroup = cgroup;
    this.#sliceOf = sliceOf;
  }

  least(
    name: EffectiveName,
    v1: string,
    v2: string,
    parse: (text: string) => number | undefined,
  ): EffectiveLimits {
    const { levels, version } = this.#levels(v1.split('.')[0] || v2.split('.')[0] || '');
    const file = version === 1 ? v1 : v2;
    if (file === '') return {};
    const found = levels.flatMap(({ cgroup, directory }) => {
      const text = read(`${directory}/${file}`);
      const value = text === undefined ? undefined : parse(text.trim());
      return value === undefined || value < 0 || value >= NONE_MIN ? [] : [{ cgroup, value }];
    });
    return this.#one(name, leastOf(found));
  }

  cpus(): EffectiveLimits {
    const { levels, version } = this.#levels('cpu');
    const found = levels.flatMap(({ cgroup, directory }) => {
      const [quota, period] = version === 2 ? bandwidthV2(directory) : bandwidthV1(directory);
      if (!(quota > 0) || !(period > 0)) return [];
      return [{ cgroup, value: Math.round((quota / period) * NANO) }];
    });
    return this.#one('nanoCpus', leastOf(found));
  }

  /** Set by the outermost cgroup that has no more than this one, unless that is the root. */
  narrowed(name: EffectiveName, v1: string, v2: string): EffectiveLimits {
    const { levels, version } = this.#levels('cpuset');
    const listOf = ({ directory }: Level): string | undefined =>
      read(`${directory}/${version === 1 ? v1 : v2}`)?.trim();
    const [root, leaf] = [levels[0], levels.at(-1)];
    if (root === undefined || leaf === undefined) return {};
    const own = listOf(leaf);
    if (own === undefined || listOf(root) === own) return {};
    const setter = levels.slice(1, -1).find((level) => listOf(level) === own) ?? leaf;
    return this.#one(name, { cgroup: setter.cgroup, value: own });
  }

  rates(): EffectiveLimits {
    const { levels, version } = this.#levels('blkio', 'io');
    const maxima = version === 1 ? [] : levels.map(({ directory }) => read(`${directory}/io.max`));
    const blkio = Object.entries(RATE_FILES).flatMap(([rate, [v1, v2]]) => {
      const disksOf = (level: number): Map<string, number> =>
        version === 1
          ? disksV1(read(`${levels[level]?.directory}/${v1}`))
          : disksV2(maxima[level], v2);
      // Version 1 binds by the file of the leaf alone, where ours are copied to.
      const own = disksOf(levels.length - 1);
      if (version === 1 && own.size === 0) return [];
      const byLevel = levels.map(({ cgroup }, level) => ({ cgroup, disks: disksOf(level) }));
      const devices = version === 1 ? own : new Map(byLevel.flatMap(({ disks }) => [...disks]));
      return [...devices.keys()].map((device): EffectiveRate => {
        const all = byLevel.flatMap(({ cgroup, disks }) => {
          const value = disks.get(device);
          return value === undefined ? [] : [{ cgroup, value }];
        });
        const value = version === 1 ? own.get(device) : leastOf(all)?.value;
        const setter = all.find((each) => each.value === value);
        const cgroup = setter?.cgroup ?? this.#cgroup;
        return { rate: rate as RateName, device, value: value ?? 0, ...this.#setBy(cgroup) };
      });
    });
    return blkio.length === 0 ? {} : { blkio };
  }

  #one(
    name: EffectiveName,
    found: { readonly cgroup: string; readonly value: number | string } | undefined,
  ): EffectiveLimits {
    if (found === undefined) return {};
    const effective: Effective = { value: found.value, ...this.#setBy(found.cgroup) };
    return { [name]: effective };
  }

  #setBy(cgroup: string): { readonly cgroup: string; readonly slice?: string } {
    const slice = this.#sliceOf(cgroup);
    return slice === undefined ? { cgroup } : { cgroup, slice };
  }

  /** From the root down. */
  #levels(v1: string, v2 = v1): { readonly levels: readonly Level[]; readonly version: 1 | 2 } {
    const old = hierarchyOf(this.#host, v1);
    const { unified } = this.#host;
    const holds = unified?.controllers.includes(v2) === true;
    const hierarchy: Hierarchy | undefined = old ?? (holds ? unified : undefined);
    const version = old === undefined ? 2 : 1;
    if (hierarchy === undefined) return { levels: [], version };
    const levels = lineage(hierarchy, this.#cgroup).map((cgroup) => ({
      cgroup,
      directory: directoryOf(hierarchy, cgroup),
    }));
    return { levels, version };
  }
}

/** The outermost of the least ones. */
function leastOf<T extends { readonly value: number }>(found: readonly T[]): T | undefined {
  let least: T | undefined;
  for (const each of found) if (least === undefined || each.value < least.value) least = each;
  return least;
}

type Bandwidth = readonly [quota: number, period: number];

function bandwidthV1(directory: string): Bandwidth {
  const quota = Number(read(`${directory}/cpu.cfs_quota_us`) ?? '-1');
  return [quota, quota > 0 ? Number(read(`${directory}/cpu.cfs_period_us`)) : 0];
}

/** "max 100000": no number, which is above nothing. */
function bandwidthV2(directory: string): Bandwidth {
  const [quota, period] = (read(`${directory}/cpu.max`) ?? 'max').trim().split(' ');
  return [Number(quota), Number(period)];
}

function disksV1(text = ''): Map<string, number> {
  const lines = text.split('\n').map((line) => line.split(' '));
  return new Map(
    lines.flatMap(([device, value]) =>
      device === undefined || value === undefined ? [] : [[device, Number(value)] as const],
    ),
  );
}

function disksV2(text = '', key: string): Map<string, number> {
  const lines = text.split('\n').map((line) => line.split(' '));
  return new Map(
    lines.flatMap(([device = '', ...words]) => {
      const value = words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
      return value === undefined || value === 'max' ? [] : [[device, Number(value)] as const];
    }),
  );
}

/** A line for each of a thousand disks. */
const FILE_BYTES_MAX = 64 * 1024;
const buffer = Buffer.allocUnsafe(FILE_BYTES_MAX);

/** Not there: this level has no such file, or has just been removed. */
function read(path: string): string | undefined {
  try {
    // One read gives all of it, while readFileSync() asks for its size and reads again.
    const fd = openSync(path, 'r');
    try {
      return buffer.toString('latin1', 0, readSync(fd, buffer));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return undefined;
    throw error;
  }
}

/** A cgroup's path as one text, whatever slashes it was written with. */
export function cleanCgroup(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, '');
}
