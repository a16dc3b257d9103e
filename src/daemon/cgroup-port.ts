// The cgroups of this host as people look at them: hierarchies, ours in each, and what is in them.
// Read when somebody asks; cgroups and processes may go away meanwhile, which is no error.
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { CgroupHierarchy, CgroupNode, CgroupPort } from '#api/coracle/cgroup-port.ts';
import { EngineError, errnoOf } from '#base/error.ts';
import {
  allHierarchies,
  type CgroupHost,
  directoryOf,
  type Hierarchy,
  parentPath,
  visiblePath,
} from '#kernel/cgroup/host.ts';
import { type GaugeSource, gaugeSources } from '#kernel/cgroup/usage/gauge.ts';
import { listSubsystems } from '#kernel/cgroup/usage/subsystem.ts';

/** Of one answer, in all hierarchies together. */
const CGROUPS_MAX = 20_000;
const DEPTH_MAX = 32;
/** Read in one go, 150 µs each; then others have their turn. */
const CGROUPS_AT_ONCE = 32;

export function makeCgroupPort(host: CgroupHost, cgroupParent: string): CgroupPort {
  return {
    tree: async () => {
      const walk = new Walk();
      const trees: CgroupHierarchy[] = [];
      for (const each of allHierarchies(host)) {
        trees.push(await treeOf(walk, host, each, cgroupParent));
      }
      return trees;
    },
    subsystems: () => listSubsystems(host, readText('/proc/cgroups') ?? ''),
  };
}

async function treeOf(
  walk: Walk,
  host: CgroupHost,
  hierarchy: Hierarchy,
  parent: string,
): Promise<CgroupHierarchy> {
  const version = hierarchy === host.unified ? 2 : 1;
  const { controllers, mountpoint } = hierarchy;
  const path = parentPath(hierarchy, parent);
  const directory = directoryOf(hierarchy, path);
  const sources = gaugeSources(version, controllers);
  const root = await walk.read(directory, visiblePath(hierarchy, path), sources);
  return { version, controllers, mountpoint, root };
}

class Walk {
  #count = 0;
  /** Each process is in all hierarchies. */
  readonly #names = new Map<number, string>();

  async read(
    directory: string,
    path: string,
    sources: readonly GaugeSource[],
    depth = 0,
  ): Promise<CgroupNode | undefined> {
    const entries = listDirectory(directory);
    if (entries === undefined) return undefined;
    this.#count += 1;
    if (this.#count > CGROUPS_MAX || depth > DEPTH_MAX) {
      throw new EngineError('limit_exceeded', 'there are more cgroups than one answer can hold', {
        facts: { cgroups: this.#count, depth },
      });
    }
    if (this.#count % CGROUPS_AT_ONCE === 0) await setImmediate();
    const gauges = sources.flatMap(({ files, read }) => {
      const gauge = read(files.map((file) => readText(`${directory}/${file}`)));
      return gauge === undefined ? [] : [gauge];
    });
    const children: CgroupNode[] = [];
    for (const name of entries) {
      const below = [`${directory}/${name}`, posix.join(path, name)] as const;
      const child = await this.read(...below, sources, depth + 1);
      if (child !== undefined) children.push(child);
    }
    const name = posix.basename(path);
    return { name, path, gauges, processes: this.#processes(directory), children };
  }

  #processes(directory: string): CgroupNode['processes'] {
    const pids = (readText(`${directory}/cgroup.procs`) ?? '').split('\n').filter(Boolean);
    return pids.map(Number).map((pid) => {
      const name = this.#names.get(pid) ?? readText(`/proc/${pid}/comm`)?.trimEnd() ?? '';
      this.#names.set(pid, name);
      return { pid, name };
    });
  }
}

// ENOTSUP: cgroup.procs of a threaded cgroup2; EINVAL: a file whose controller is switched off.
const ABSENT = ['ENOENT', 'ENODEV', 'ESRCH', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'];

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (ABSENT.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Directories in it, sorted; undefined when it is gone. */
function listDirectory(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (ABSENT.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
