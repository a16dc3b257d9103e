// Slices, wired: their cgroups are made and changed as those of containers are, their limits are
// wished in the words of containers.
import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errnoOf } from '#base/error.ts';
import type { UndoReport } from '#base/undo.ts';
import { changeLimits, type LimitsChange } from '#container/change-limits.ts';
import type { Deps } from '#container/deps.ts';
import { NO_LIMITS, type Resources } from '#container/resources.ts';
import { membersOf } from '#container/slice.ts';
import { factFiles, planCgroup } from '#kernel/cgroup/cgroup.ts';
import type { Agent } from '#kernel/native/native.ts';
import { cgroupOp, cgroupProcesses, planContainerCgroup, readTexts } from '#runtime/cgroup.ts';
import { changeCgroups } from '#runtime/change-cgroup.ts';
import type { HostFacts } from '#runtime/facts.ts';
import type { SliceCgroups } from '#slice/port.ts';
import { Slices } from '#slice/slices.ts';
import { SliceStore } from '#slice/store.ts';
import type { Cgroups } from './cgroups.ts';
import type { Config } from './config.ts';
import type { makeRuntimePort } from './runtime-port.ts';

export type SliceNeeds = {
  readonly config: Pick<Config, 'dataRoot'>;
  readonly agent: Agent;
  readonly cgroups: Pick<Cgroups, 'host' | 'naming' | 'parent'>;
  readonly members: Pick<Deps, 'store' | 'locks' | 'lives' | 'resources'>;
  readonly report: UndoReport;
};

export type OpenSlices = {
  readonly service: Slices<Resources, LimitsChange>;
  readonly problems: readonly string[];
  /** All cgroups that hold those of containers, and how these are called. */
  readonly places: Parameters<typeof makeRuntimePort>[2];
};

export async function makeSlices(needs: SliceNeeds): Promise<OpenSlices> {
  const { agent, members, report } = needs;
  const { host, naming, parent } = needs.cgroups;
  const store = new SliceStore<Resources>(join(needs.config.dataRoot, 'slices'), (raw) => ({
    ...NO_LIMITS,
    ...raw,
  }));
  const problems = await store.load();
  const service: Slices<Resources, LimitsChange> = new Slices({
    store,
    host: host.cgroups,
    root: parent,
    naming,
    cgroups: sliceCgroups(agent, host),
    wishes: {
      none: NO_LIMITS,
      change: changeLimits,
      limits: (wish, missing) => members.resources.check(wish, missing),
    },
    members: membersOf(members, (place) => service.place(place)),
    readTexts: (files) => {
      const texts = readTexts(files);
      return files.map((file) => texts[file]);
    },
    report,
  });
  return {
    service,
    problems,
    places: { naming, parents: () => [parent, ...service.cgroups()] },
  };
}

function sliceCgroups(agent: Agent, host: HostFacts): SliceCgroups {
  const change: SliceCgroups['change'] = async (before, after) => {
    // A slice has no processes that would have to be moved.
    const none = async (): Promise<readonly number[]> => [];
    await changeCgroups({ agent, pids: none }, host, { before, after });
  };
  return {
    change,
    make: async (request) => {
      const bare = { ...request, resources: {} };
      const { create } = planContainerCgroup(bare, host);
      await agent.perform(create.map(cgroupOp));
      await change(bare, request);
    },
    remove: async (request) => {
      const { directories } = planCgroup(host.cgroups, request, factsOf(host, request));
      for (const directory of directories) {
        const pids = await cgroupProcesses(directory);
        if (pids.length === 0) continue;
        const some = pids.slice(0, 5).join(', ');
        const text = `there are processes in ${directory} that no container has: ${some}`;
        throw new EngineError('conflict', text);
      }
      for (const directory of directories) await removeDirectory(agent, directory);
    },
  };
}

function factsOf(host: HostFacts, request: Parameters<SliceCgroups['make']>[0]) {
  return readTexts(factFiles(host.cgroups, request));
}

/** The agent waits for what the kernel still has to take out of it. */
async function removeDirectory(agent: Agent, path: string): Promise<void> {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    await agent.perform([{ op: 'cgroup_rmdir', path }]);
  }
}
