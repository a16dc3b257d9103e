// The cgroups of a container as the runtime uses them: planned before the start, read and changed
// while it runs, removed when nobody else has.
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { EngineError, errnoOf } from '#base/error.ts';
import {
  type CgroupPlan,
  type CgroupRequest,
  factFiles,
  planCgroup,
} from '#kernel/cgroup/cgroup.ts';
import { type CgroupStep, checkReadBack } from '#kernel/cgroup/step.ts';
import type { Agent } from '#kernel/native/native.ts';
import type { Op, OpResult } from '#kernel/native/op.ts';
import type { HostFacts } from './facts.ts';

/** Reads what planning needs: four short files, sooner read than waited for. */
export function planContainerCgroup(request: CgroupRequest, facts: HostFacts): CgroupPlan {
  return planCgroup(facts.cgroups, request, readTexts(factFiles(facts.cgroups, request)));
}

/** By path; files that are not there or cannot be read are left out. */
export function readTexts(files: readonly string[]): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const file of files) {
    const text = readIfThere(file);
    if (text !== undefined) texts[file] = text;
  }
  return texts;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // EACCES of root: a file that can only be written, such as devices.allow.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return undefined;
    throw error;
  }
}

/** The kernel rounds and clamps limits without a word; we say so, and do not start. */
export function checkCgroups(plan: CgroupPlan, results: readonly OpResult[]): void {
  for (const result of results) {
    if (result.place !== 'host') continue;
    const step = plan.create[result.index];
    if (step?.op === 'cgroup_write') checkReadBack(step, result.output.toString('utf8'));
  }
}

/** The directory whose processes are all of the container's, for kill and for lists of pids. */
export function processDirectory(plan: CgroupPlan): string | undefined {
  return plan.unified ?? plan.directories[0];
}

/** The end of all of its processes. */
export function killOps(plan: CgroupPlan): readonly Op[] {
  const path = processDirectory(plan);
  if (path === undefined) return [];
  const { freezer } = plan;
  return [{ op: 'cgroup_kill', path, thaw: freezer?.version === 1 ? freezer.path : '' }];
}

/** What a monitor does at an exit, for one that was killed before it could. */
export async function removeCgroups(agent: Agent, plan: CgroupPlan): Promise<void> {
  const ops: Op[] = [
    ...killOps(plan),
    ...plan.directories.map((path): Op => ({ op: 'cgroup_rmdir', path })),
  ];
  // Each by itself: one directory that cannot be removed must not keep the others.
  const errors: unknown[] = [];
  for (const op of ops) {
    try {
      await agent.perform([op]);
    } catch (error) {
      // No such cgroup: nothing to kill.
      if (op.op !== 'cgroup_kill') errors.push(error);
    }
  }
  if (errors.length === 0) return;
  throw new EngineError('kernel_refused', 'cannot remove all cgroups of the container', {
    cause: errors[0],
    facts: { directories: plan.directories.join(' '), failed: errors.length },
  });
}

/** Containers that make cgroups inside are rarely deeper than a few levels. */
const CGROUP_DEPTH_MAX = 32;

/** All processes of a cgroup and of those that the container made below it. */
export async function cgroupProcesses(directory: string, depth = 0): Promise<number[]> {
  const text = await readFile(`${directory}/cgroup.procs`, 'utf8').catch((error: unknown) => {
    // ENOTSUP: a threaded cgroup2 tells of its processes at the domain above it.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTSUP') return '';
    throw error;
  });
  const pids = text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
  if (depth >= CGROUP_DEPTH_MAX) return pids;
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    pids.push(...(await cgroupProcesses(`${directory}/${entry.name}`, depth + 1)));
  }
  return pids;
}

/** One step of a plan as the C program performs it. */
export function cgroupOp(step: CgroupStep): Op {
  switch (step.op) {
    case 'mkdir':
      return { op: 'mkdir', path: step.path, mode: 0o755 };
    case 'cgroup_write':
      return { op: 'cgroup_write', path: step.path, value: step.value };
    case 'cgroup_device':
    case 'cgroup_device_replace':
    case 'cgroup_mount':
      return step;
    default:
      return step satisfies never;
  }
}
