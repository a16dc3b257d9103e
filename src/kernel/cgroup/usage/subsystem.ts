// What this kernel has of cgroups: each subsystem (version 1) or controller (version 2), where it
// is mounted, and which options of ours depend on it. The limits are those of the one table.
import { type CgroupHost, hierarchyOf } from '../host.ts';
import { type Limit, LIMITS, placeOf } from '../limit.ts';

export type SubsystemOption = {
  /** As it is typed: "--cpus", "pause". */
  readonly option: string;
  readonly files: readonly string[];
  /** Why it cannot be used here. */
  readonly missing: string | undefined;
};

export type Subsystem = {
  readonly name: string;
  /** For somebody who is learning. */
  readonly what: string;
  /** The version that it is bound to; undefined = this kernel has it not, or switched off. */
  readonly version: 1 | 2 | undefined;
  readonly mountpoint: string | undefined;
  /** false: it is mounted with the first container that asks for one of its limits. */
  readonly mounted: boolean;
  /** As /proc/cgroups counts them, on the whole machine. */
  readonly cgroups: number | undefined;
  readonly options: readonly SubsystemOption[];
};

type Known = {
  readonly what: string;
  /** The name in version 2, where it is another. */
  readonly v2?: string;
  readonly extra?: readonly (readonly [option: string, v1: string, v2: string])[];
};

/** In the order of the documentation. */
const KNOWN: Readonly<Record<string, Known>> = {
  cpu: { what: 'Shares CPU time, and caps it.' },
  cpuacct: {
    what: 'Counts CPU time. In version 2 every cgroup does.',
    extra: [['stats', 'cpuacct.usage_percpu', 'cpu.stat']],
  },
  cpuset: { what: 'Says which CPUs and which memory nodes may be used.' },
  memory: { what: 'Counts memory, caps it, and kills where the cap is met.' },
  blkio: { what: 'Counts I/O of block devices, weighs and throttles it.', v2: 'io' },
  devices: {
    what: 'Says which devices may be opened or made. Version 2 asks a BPF program instead.',
    extra: [
      ['--device', 'devices.allow', 'BPF_CGROUP_DEVICE'],
      ['--device-cgroup-rule', 'devices.allow', 'BPF_CGROUP_DEVICE'],
    ],
  },
  freezer: {
    what: 'Stops all processes at once. In version 2 every cgroup can.',
    extra: [['pause', 'freezer.state', 'cgroup.freeze']],
  },
  pids: { what: 'Caps the number of processes and threads.' },
  net_cls: { what: 'Marks packets with a class, for tc and netfilter.' },
  net_prio: { what: 'Sets the priority of packets by interface.' },
  hugetlb: { what: 'Caps huge pages.' },
  perf_event: { what: 'Lets perf(1) count events of one cgroup. Nothing of ours sets it.' },
  rdma: { what: 'Caps the handles and objects of RDMA devices.' },
  misc: { what: 'Caps countable things of some machines, such as keys of encrypted guests.' },
  ns: {
    what:
      'Made a cgroup of each new namespace; gone since Linux 3.0. Cgroup namespaces and ' +
      'cgroup.clone_children took its place.',
  },
};

/** Part of every cgroup of version 2, so no name in cgroup.controllers. */
const CORE_OF_V2 = new Set(['cpuacct', 'devices', 'freezer', 'perf_event']);

/** `subsystems`: the text of /proc/cgroups. */
export function listSubsystems(host: CgroupHost, subsystems: string): Subsystem[] {
  const counts = countsOf(subsystems);
  const more = [...counts.keys()].filter((name) => !Object.hasOwn(KNOWN, name));
  return [...Object.keys(KNOWN), ...more].map((name) => {
    const { what, v2 = name, extra = [] } = KNOWN[name] ?? { what: '' };
    const old = hierarchyOf(host, name);
    const { unified } = host;
    const inUnified =
      unified !== undefined &&
      (unified.controllers.includes(v2) || (host.version === 2 && CORE_OF_V2.has(name)));
    const version = old !== undefined ? 1 : inUnified ? 2 : undefined;
    const hierarchy = version === 1 ? old : version === 2 ? unified : undefined;
    const isMounted = hierarchy !== undefined && host.onDemand?.includes(hierarchy) !== true;
    const missing =
      version === undefined ? 'this kernel has it not, or it is not mounted' : undefined;
    return {
      name: version === 2 ? v2 : name,
      what,
      version,
      mountpoint: hierarchy?.mountpoint,
      mounted: isMounted,
      // Of one that is mounted nowhere the file counts those of cgroup2.
      cgroups: hierarchy === undefined || isMounted ? counts.get(name) : undefined,
      options: [
        ...limitOptions(host, name, v2),
        ...extra.map(([option, file1, file2]) => ({
          option,
          files: [version === 2 ? file2 : file1],
          missing,
        })),
      ],
    };
  });
}

function limitOptions(host: CgroupHost, v1: string, v2: string): SubsystemOption[] {
  const options: SubsystemOption[] = [];
  for (const [limit, { flag, v1: old, v2: unified }] of Object.entries(LIMITS)) {
    if (old.controller !== v1 && unified.controller !== v2) continue;
    const place = placeOf(host, limit as Limit);
    for (const each of flag.split(', ')) {
      options.push({
        option: `--${each}`,
        files: place.has ? place.files.filter((file) => keeps(file, each)) : [],
        missing: place.has ? undefined : place.why,
      });
    }
  }
  return options;
}

/** Of the four throttles of version 1, each option has one. */
function keeps(file: string, flag: string): boolean {
  const rate = flag.replace(/^device-/, '').replaceAll('-', '_');
  return !file.startsWith('blkio.throttle.') || file.includes(rate);
}

/** Lines "name hierarchy num_cgroups enabled"; those that are switched off are left out. */
function countsOf(subsystems: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of subsystems.split('\n')) {
    const [name = '', , count, enabled] = line.split('\t');
    if (enabled === '1' && !name.startsWith('#')) counts.set(name, Number(count));
  }
  return counts;
}
