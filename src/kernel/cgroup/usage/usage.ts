// What a cgroup has used, against what it may: which files tell it, and what their text means.
// Nothing here reads a file. On hybrid hosts each controller is read where it is bound.
import { posix } from 'node:path';
import { type CgroupHost, directoryOf, type Hierarchy, hierarchyOf, parentPath } from '../host.ts';
import { type CpuUsage, parseCpuV1, parseCpuV2 } from './cpu.ts';
import { type IoUsage, parseIoV1, parseIoV2 } from './io.ts';
import { type MemoryUsage, parseMemoryV1, parseMemoryV2 } from './memory.ts';
import { parsePids, type PidsUsage } from './pids.ts';
import { parsePressure, type Pressure } from './pressure.ts';

/** What this host does not count is missing. */
export type Usage = {
  readonly cpu?: CpuUsage;
  readonly memory?: MemoryUsage;
  readonly io?: IoUsage;
  readonly pids?: PidsUsage;
  /** Who had to wait for what (PSI); where the kernel measures it for cgroups. */
  readonly pressure?: Readonly<Partial<Record<PressureKind, Pressure>>>;
};

const PRESSURES = ['cpu', 'memory', 'io'] as const;
export type PressureKind = (typeof PRESSURES)[number];

/** Text of files in the order of UsagePlan.files; undefined = not there. */
export type UsageTexts = readonly (string | undefined)[];

export type UsagePlan = {
  readonly files: readonly string[];
  readonly parse: (texts: UsageTexts) => Usage;
};

/** One controller's files, and what they mean together. */
type Part = {
  readonly files: readonly string[];
  readonly parse: (texts: UsageTexts) => Usage;
};

export function planUsage(
  host: CgroupHost,
  request: { readonly parent: string; readonly name: string },
): UsagePlan {
  const at = (hierarchy: Hierarchy): string =>
    directoryOf(hierarchy, posix.join(parentPath(hierarchy, request.parent), request.name));
  const parts = partsOf(host, at);
  return {
    files: parts.flatMap(({ files }) => files),
    parse: (texts) => {
      let from = 0;
      const usage: Usage = {};
      for (const { files, parse } of parts) {
        Object.assign(usage, parse(texts.slice(from, from + files.length)));
        from += files.length;
      }
      return usage;
    },
  };
}

function partsOf(host: CgroupHost, at: (hierarchy: Hierarchy) => string): Part[] {
  const { unified } = host;
  const version1 = (controller: string): string | undefined => {
    const found = hierarchyOf(host, controller);
    return found === undefined ? undefined : at(found);
  };
  const version2 = (controller: string): string | undefined =>
    unified?.controllers.includes(controller) === true ? at(unified) : undefined;
  const parts = [
    cpuPart(version1('cpuacct'), version1('cpu'), unified === undefined ? undefined : at(unified)),
    memoryPart(version1('memory'), version2('memory')),
    ioPart(version1('blkio'), version2('io')),
    pidsPart(1, version1('pids')) ?? pidsPart(2, version2('pids')),
    pressurePart(unified === undefined ? undefined : at(unified)),
  ];
  return parts.filter((part) => part !== undefined);
}

function cpuPart(
  cpuacct: string | undefined,
  cpu: string | undefined,
  unified: string | undefined,
): Part | undefined {
  if (cpuacct !== undefined) {
    const throttling = cpu === undefined ? [] : [`${cpu}/cpu.stat`];
    return {
      files: [`${cpuacct}/cpuacct.usage_percpu`, `${cpuacct}/cpuacct.stat`, ...throttling],
      parse: ([perCpu, stat, throttled]) =>
        perCpu === undefined ? {} : { cpu: parseCpuV1(perCpu, stat ?? '', throttled ?? '') },
    };
  }
  // Of cgroup2: there even without the controller (cgroup-v2.rst, "cpu.stat").
  if (unified === undefined) return undefined;
  return {
    files: [`${unified}/cpu.stat`],
    parse: ([stat]) => (stat === undefined ? {} : { cpu: parseCpuV2(stat) }),
  };
}

const MEMORY_V1 = [
  'memory.stat',
  'memory.usage_in_bytes',
  'memory.limit_in_bytes',
  'memory.max_usage_in_bytes',
  'memory.failcnt',
  'memory.oom_control',
];
const MEMORY_V2 = ['memory.stat', 'memory.current', 'memory.max', 'memory.events'];

function memoryPart(v1: string | undefined, v2: string | undefined): Part | undefined {
  if (v1 !== undefined) {
    return {
      files: MEMORY_V1.map((file) => `${v1}/${file}`),
      parse: ([stat, usage, ...rest]) =>
        stat === undefined || usage === undefined
          ? {}
          : { memory: parseMemoryV1(stat, usage, rest) },
    };
  }
  if (v2 === undefined) return undefined;
  return {
    files: MEMORY_V2.map((file) => `${v2}/${file}`),
    parse: ([stat, current, ...rest]) =>
      stat === undefined || current === undefined
        ? {}
        : { memory: parseMemoryV2(stat, current, rest) },
  };
}

function ioPart(v1: string | undefined, v2: string | undefined): Part | undefined {
  if (v1 !== undefined) {
    return {
      // Those without "_recursive" leave out what runs in cgroups that the container made.
      files: ['io_service_bytes_recursive', 'io_serviced_recursive'].map(
        (file) => `${v1}/blkio.throttle.${file}`,
      ),
      parse: ([bytes, serviced]) =>
        bytes === undefined ? {} : { io: parseIoV1(bytes, serviced ?? '') },
    };
  }
  if (v2 === undefined) return undefined;
  return {
    files: [`${v2}/io.stat`],
    parse: ([stat]) => (stat === undefined ? {} : { io: parseIoV2(stat) }),
  };
}

function pidsPart(version: 1 | 2, directory: string | undefined): Part | undefined {
  if (directory === undefined) return undefined;
  return {
    files: [`${directory}/pids.current`, `${directory}/pids.max`],
    parse: ([current, max]) =>
      current === undefined ? {} : { pids: parsePids(version, current, max ?? 'max') },
  };
}

/** Only of cgroup2 (psi.rst, "Cgroup2 interface"). */
function pressurePart(unified: string | undefined): Part | undefined {
  if (unified === undefined) return undefined;
  return {
    files: PRESSURES.map((kind) => `${unified}/${kind}.pressure`),
    parse: (texts) => {
      const pressure: Partial<Record<PressureKind, Pressure>> = {};
      for (const [index, kind] of PRESSURES.entries()) {
        const text = texts[index];
        if (text !== undefined) pressure[kind] = parsePressure(text);
      }
      return Object.keys(pressure).length === 0 ? {} : { pressure };
    },
  };
}
