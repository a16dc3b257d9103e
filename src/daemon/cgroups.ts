// The cgroups around all containers: the parents exist before the first of them, so that what they
// offer can be looked at; hierarchies that were mounted for single containers go with the daemon.
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '#base/error.ts';
import type { UndoReport } from '#base/undo.ts';
import { factFiles, planParents } from '#kernel/cgroup/cgroup.ts';
import { withFiles } from '#kernel/cgroup/features.ts';
import { directoryOf, type Hierarchy, lineage } from '#kernel/cgroup/host.ts';
import type { Agent } from '#kernel/native/native.ts';
import { cgroupOp, readTexts } from '#runtime/cgroup.ts';
import { type HostFacts, readHostFacts } from '#runtime/facts.ts';
import type { Config } from './config.ts';

export type Cgroups = AsyncDisposable & { readonly host: HostFacts };

export async function openCgroups(
  agent: Agent,
  { execRoot, cgroupParent }: Pick<Config, 'execRoot' | 'cgroupParent'>,
  report: UndoReport,
): Promise<Cgroups> {
  const facts = readHostFacts(join(execRoot, 'cgroup'));
  const texts = readTexts(factFiles(facts.cgroups, { parent: cgroupParent }));
  try {
    await agent.perform(planParents(facts.cgroups, cgroupParent, texts).map(cgroupOp));
  } catch (error) {
    // A start makes them again, and says of itself what is wrong.
    report(`make the parent cgroups ${cgroupParent}`, error);
  }
  const list = (directory: string): readonly string[] =>
    existsSync(directory) ? readdirSync(directory) : [];
  const cgroups = withFiles(facts.cgroups, cgroupParent, list);
  return {
    host: { ...facts, cgroups },
    [Symbol.asyncDispose]: async () => {
      for (const each of cgroups.onDemand ?? []) await unmount(agent, each, cgroupParent, report);
    },
  };
}

/** Not while containers are in it: they outlive the daemon, and the next one finds it mounted. */
async function unmount(
  agent: Agent,
  hierarchy: Hierarchy,
  parent: string,
  report: UndoReport,
): Promise<void> {
  try {
    for (const path of lineage(hierarchy, parent).slice(1).reverse()) {
      removeEmpty(directoryOf(hierarchy, path));
    }
    await agent.perform([{ op: 'cgroup_unmount', path: hierarchy.mountpoint }]);
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return;
    report(`unmount ${hierarchy.mountpoint}`, error);
  }
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
