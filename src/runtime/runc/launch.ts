// Launching and finding containers of an external OCI runtime. This folder is all that knows of it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { CgroupPlan } from '#kernel/cgroup/cgroup.ts';
import type { LaunchPlan } from '#kernel/native/op.ts';
import type { Box } from '../box.ts';
import { planContainerCgroup } from '../cgroup.ts';
import type { HostFacts } from '../facts.ts';
import { failureOf } from '../failure.ts';
import { execBaseOf, type Found, findWith, whenReady } from '../launch.ts';
import type { OciSpec } from '../oci.ts';
import { cgroupRequest } from '../spec.ts';
import type { RuntimeDeps, Task } from '../task.ts';
import { bundleSpec, jsonText } from './bundle.ts';
import { planRun, runcPaths } from './plan.ts';
import { RuncTask } from './task.ts';

type Prepared = {
  readonly spec: OciSpec;
  readonly cgroup: CgroupPlan;
  readonly plan: LaunchPlan;
};

export function prepareRunc(
  program: string,
  box: Box,
  facts: HostFacts,
  directory: string,
): Prepared {
  const cgroup = planContainerCgroup(cgroupRequest(box), facts);
  const paths = runcPaths(directory);
  const plan = planRun(program, box, paths, cgroup, facts);
  return { spec: bundleSpec(box, facts, paths.shm), cgroup, plan };
}

export async function launchRunc(
  deps: RuntimeDeps,
  program: string,
  box: Box,
  facts: HostFacts,
  directory: string,
  ready: Promise<unknown> | undefined,
): Promise<Task> {
  const paths = runcPaths(directory);
  const { spec, cgroup, plan } = prepareRunc(program, box, facts, directory);
  // Of an earlier run: its state, its pid file and its log would be taken for this one's.
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(paths.rootfs, { recursive: true, mode: 0o700 });
  if (box.shm.kind === 'joined') mkdirSync(paths.shm, { mode: 0o700 });
  writeFileSync(paths.config, jsonText(spec), { mode: 0o600 });
  await deps.agent.monitor(directory);
  const monitor = await whenReady(await deps.connectMonitor(directory), ready);
  try {
    const { pid, results } = await monitor.launch(plan);
    const execBase = execBaseOf(spec, cgroup);
    const { agent } = deps;
    const launched = { plan, results };
    const parts = { agent, box, facts, directory, cgroup, execBase, monitor, pid, launched };
    return new RuncTask(parts, paths, program);
  } catch (error) {
    await monitor[Symbol.asyncDispose]();
    throw failureOf(plan, error);
  }
}

export function findRunc(
  deps: RuntimeDeps,
  program: string,
  box: Box,
  facts: HostFacts,
  directory: string,
): Promise<Found> {
  const { spec, cgroup } = prepareRunc(program, box, facts, directory);
  return findWith(deps, cgroup, directory, (monitor, pid) => {
    const execBase = execBaseOf(spec, cgroup);
    const { agent } = deps;
    const parts = { agent, box, facts, directory, cgroup, execBase, monitor, pid };
    return new RuncTask(parts, runcPaths(directory), program);
  });
}
