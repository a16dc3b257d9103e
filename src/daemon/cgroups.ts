// The cgroups around all containers: the parents exist before the first of them, so that what they
// offer can be looked at; hierarchies that were mounted for single containers go with the daemon.
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '#base/error.ts';
import type { UndoReport } from '#base/undo.ts';
import { factFiles, planParents } from '#kernel/cgroup/cgroup.ts';
import { withFiles } from '#kernel/cgroup/features.ts';
import { directoryOf, type Hierarchy, lineage } from '#kernel/cgroup/host.ts';
import { type CgroupNaming, delegatedUnit, namingOf } from '#kernel/cgroup/naming.ts';
import type { Agent } from '#kernel/native/native.ts';
import { cgroupOp, readTexts } from '#runtime/cgroup.ts';
import { type HostFacts, readHostFacts } from '#runtime/facts.ts';
import type { Config } from './config.ts';

export type Cgroups = AsyncDisposable & {
  readonly host: HostFacts;
  readonly naming: CgroupNaming;
  /** The cgroup of all containers. */
  readonly parent: string;
};

type CgroupConfig = Pick<Config, 'execRoot' | 'cgroupDriver' | 'cgroupParent' | 'realtime'>;

export async function openCgroups(
  agent: Agent,
  { execRoot, cgroupDriver, cgroupParent, realtime }: CgroupConfig,
  report: UndoReport,
): Promise<Cgroups> {
  const facts = readHostFacts(join(execRoot, 'cgroup'));
  const base = existsSync(SYSTEMD) ? delegatedUnit(facts.cgroups) : '/';
  const naming = namingOf(cgroupDriver, base);
  const parent = naming.parent(cgroupParent);
  const texts = readTexts(factFiles(facts.cgroups, { parent }));
  try {
    const parents = planParents(facts.cgroups, parent, realtime, texts);
    await agent.perform(parents.map(cgroupOp));
  } catch (error) {
    // A start makes them again, and says of itself what is wrong.
    report(`make the parent cgroups ${parent}`, error);
  }
  const list = (directory: string): readonly string[] =>
    existsSync(directory) ? readdirSync(directory) : [];
  const cgroups = withFiles(facts.cgroups, parent, list);
  return {
    host: { ...facts, cgroups },
    naming,
    parent,
    [Symbol.asyncDispose]: async () => {
      for (const each of cgroups.onDemand ?? []) await unmount(agent, each, parent, report);
    },
  };
}

/** It runs as the first process (sd_booted(3)). */
const SYSTEMD = '/run/systemd/system';
/** Not while containers are in it: they outlive the daemon, and the next one finds it mounted. */
async function unmount(
  agent: Agent,
  hierarchy: Hierarchy,
  parent: string,
  report: UndoReport,
): Promise<void> {
  if (!existsSync(hierarchy.mountpoint)) return; // no container asked for it
  try {
    for (const path of lineage(hierarchy, parent).slice(1).reverse()) {
      removeEmpty(directoryOf(hierarchy, path));
    }
    await untilReleased(hierarchy);
    await agent.perform([{ op: 'cgroup_unmount', path: hierarchy.mountpoint }]);
    rmdirSync(hierarchy.mountpoint);
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return;
    report(`unmount ${hierarchy.mountpoint}`, error);
  }
}

const RELEASE_POLL_MS = 5;
const RELEASE_POLLS_MAX = 60;

/**
 * The kernel frees removed cgroups later, and a hierarchy that is unmounted before that stays bound
 * for ever (cgroup_kill_sb()): nobody could mount its subsystem together with others any more.
 */
async function untilReleased({ controllers }: Hierarchy): Promise<void> {
  for (let poll = 0; poll < RELEASE_POLLS_MAX; poll += 1) {
    const lines = readFileSync('/proc/cgroups', 'utf8').split('\n');
    // Name, hierarchy, number of cgroups with the root, enabled.
    const [, id, count] = lines.map((each) => each.split('\t')).find(isOf(controllers)) ?? [];
    if (id === undefined || id === '0' || count === '1') return;
    await sleep(RELEASE_POLL_MS);
  }
}

function isOf(controllers: readonly string[]): (words: readonly string[]) => boolean {
  return ([name]) => name !== undefined && controllers.includes(name);
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
