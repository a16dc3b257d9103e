// The runtime as container/ asks for it, and the cgroups that nobody knows.
import { existsSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import type { Runtime } from '#container/port.ts';
import { allHierarchies, type CgroupHost, directoryOf, parentPath } from '#kernel/cgroup/host.ts';
import type { CgroupNaming } from '#kernel/cgroup/naming.ts';
import { connectMonitor } from '#kernel/native/monitor.ts';
import type { Agent } from '#kernel/native/native.ts';
import type { HostFacts } from '#runtime/facts.ts';
import { createRuntime, type ExternalRuntimes } from '#runtime/runtime.ts';
import type { SpareMonitors } from '#runtime/task.ts';

export function makeRuntimePort(
  agent: Agent,
  facts: HostFacts,
  cgroups: { readonly naming: CgroupNaming; readonly parents: () => readonly string[] },
  external: ExternalRuntimes,
  spares: SpareMonitors,
): Runtime {
  return {
    ...createRuntime({ agent, connectMonitor, spares }, facts, external),
    removeOrphanCgroups: async (known) => {
      const isOrphan = (name: string): boolean => {
        const id = cgroups.naming.idOf(name);
        return id !== undefined && !known.has(id);
      };
      for (const parent of cgroups.parents()) {
        await removeOrphanCgroups(agent, facts.cgroups, parent, isOrphan);
      }
    },
  };
}

async function removeOrphanCgroups(
  agent: Agent,
  host: CgroupHost,
  parent: string,
  isOrphan: (name: string) => boolean,
): Promise<void> {
  for (const hierarchy of allHierarchies(host)) {
    const directory = directoryOf(hierarchy, parentPath(hierarchy, parent));
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory).filter(isOrphan)) {
      const path = posix.join(directory, name);
      const state = posix.join(path, 'freezer.state');
      await agent.perform([
        { op: 'cgroup_kill', path, thaw: existsSync(state) ? state : '' },
        { op: 'cgroup_rmdir', path },
      ]);
    }
  }
}
