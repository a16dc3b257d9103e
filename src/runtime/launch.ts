// From a box to a running task: plans, has the plan performed, and hands back a handle; and finds
// the task again for the next daemon. What fails half way is undone by the monitor.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { errnoOf } from '#base/error.ts';
import type { CgroupPlan } from '#kernel/cgroup/cgroup.ts';
import { parseExitFile } from '#kernel/native/encode.ts';
import type { Monitor, MonitorState } from '#kernel/native/native.ts';
import type { LaunchPlan } from '#kernel/native/op.ts';
import type { Box } from './box.ts';
import { checkCgroups, planContainerCgroup, removeCgroups } from './cgroup.ts';
import type { ExecBase } from './exec.ts';
import type { HostFacts } from './facts.ts';
import { failureOf } from './failure.ts';
import { MonitoredTask } from './monitored-task.ts';
import type { OciSpec } from './oci.ts';
import { compileLaunch, launchExtras } from './plan.ts';
import { cgroupRequest, makeSpec } from './spec.ts';
import {
  type Beside,
  type RuntimeDeps,
  type Spare,
  type Task,
  type TaskExit,
  taskExit,
} from './task.ts';

export type Prepared = {
  readonly spec: OciSpec;
  readonly cgroup: CgroupPlan;
  readonly plan: LaunchPlan;
};

/** All decisions of a launch, for launch() and for a plan that nobody performs (--dry-run). */
export function prepare(box: Box, facts: HostFacts): Prepared {
  const cgroup = planContainerCgroup(cgroupRequest(box), facts);
  const spec = makeSpec(box, facts);
  return { cgroup, spec, plan: compileLaunch(spec, launchExtras(box, cgroup), facts) };
}

export function execBaseOf(spec: OciSpec, cgroup: CgroupPlan): ExecBase {
  const { process, linux } = spec;
  return {
    namespaces: linux.namespaces.map(({ type }) => type),
    rlimits: process.rlimits,
    noNewPrivileges: process.noNewPrivileges,
    oomScoreAdj: process.oomScoreAdj,
    capabilities: process.capabilities.bounding,
    seccomp: linux.seccomp,
    cgroupDirectories: cgroup.join,
  };
}

/**
 * Makes the container up to the point where it waits for go(). When it fails, the monitor has
 * already removed what it made; when the connection is given up before go(), it does so then.
 */
export async function launch(
  deps: RuntimeDeps,
  box: Box,
  facts: HostFacts,
  directory: string,
  { spare, ready, onAttachable }: Beside = {},
): Promise<Task> {
  // The agent forks on the other core while we plan.
  const { network, user } = box.namespaces;
  const makesNetwork = network.mode === 'private' && user.mode === 'host';
  const forked = spare ?? fork(deps, directory, makesNetwork);
  forked.catch(() => {}); // awaited below
  const { cgroup, plan, spec } = await prepareBeside(forked, box, facts);
  const monitor = await whenReady(await forked, ready);
  try {
    const launching = monitor.launch(plan);
    onAttachable?.((streams) => monitor.attach('', streams));
    const { pid, results } = await launching;
    checkCgroups(cgroup, results);
    const execBase = execBaseOf(spec, cgroup);
    const { agent } = deps;
    const launched = { plan, results };
    const parts = { agent, box, facts, directory, cgroup, execBase, monitor, pid, launched };
    return new MonitoredTask(parts);
  } catch (error) {
    await monitor[Symbol.asyncDispose]();
    throw failureOf(plan, error);
  }
}

/** What the plan names is there now; if it could not be made, the monitor is let go. */
export async function whenReady(
  monitor: Monitor,
  ready: Promise<unknown> | undefined,
): Promise<Monitor> {
  try {
    await ready;
    return monitor;
  } catch (error) {
    await monitor[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * A monitor in the run directory of a container; `makesNetwork`: its process is to make a network
 * namespace, which a spare one has made.
 */
export async function fork(
  deps: RuntimeDeps,
  directory: string,
  makesNetwork: boolean,
): Promise<Spare> {
  const made = !existsSync(directory);
  const spare = made ? deps.spares?.take(directory, makesNetwork) : undefined;
  if (spare !== undefined) return spare;
  if (made) mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Of an earlier run: find() must not take it for the end of this one. The agent removes its
  // socket.
  else rmSync(`${directory}/exit`, { force: true });
  await deps.agent.monitor(directory);
  return deps.connectMonitor(directory);
}

/** When no plan can be made, the monitor that waits for one is let go. */
async function prepareBeside(
  forked: Promise<Spare>,
  box: Box,
  facts: HostFacts,
): Promise<Prepared> {
  try {
    return prepare(box, facts);
  } catch (error) {
    const monitor = await forked.catch(() => undefined);
    await monitor?.[Symbol.asyncDispose]();
    throw error;
  }
}

export type Found =
  /** Its monitor lives. */
  | { readonly kind: 'running'; readonly task: Task }
  /** It ended while no daemon was there; the monitor wrote down how. */
  | { readonly kind: 'exited'; readonly exit: TaskExit }
  /** It never ran, or its monitor was killed: its cgroups were removed now. */
  | { readonly kind: 'gone' };

/** What became of a container that another daemon process launched. */
export function find(
  deps: RuntimeDeps,
  box: Box,
  facts: HostFacts,
  directory: string,
): Promise<Found> {
  const { cgroup, spec } = prepare(box, facts);
  return findWith(deps, cgroup, directory, (monitor, pid) => {
    const execBase = execBaseOf(spec, cgroup);
    const { agent } = deps;
    return new MonitoredTask({ agent, box, facts, directory, cgroup, execBase, monitor, pid });
  });
}

export async function findWith(
  deps: RuntimeDeps,
  cgroup: CgroupPlan,
  directory: string,
  taskOf: (monitor: Monitor, pid: number) => Task,
): Promise<Found> {
  const monitor = await reach(deps, directory);
  if (monitor === undefined) return whatIsLeft(deps, cgroup, directory);
  // It may be on its way out: it has written its exit down and does not answer any more.
  const known = await stateOf(monitor);
  if (known === undefined) {
    await monitor[Symbol.asyncDispose]();
    return whatIsLeft(deps, cgroup, directory);
  }
  if (!known.started && known.exit === undefined) {
    await end(monitor); // nobody says "go" any more
    return { kind: 'gone' };
  }
  return { kind: 'running', task: taskOf(monitor, known.pid) };
}

/** The state of a monitor; undefined when it goes away instead of answering. */
async function stateOf(monitor: Monitor): Promise<MonitorState | undefined> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  void monitor.lost.then(end);
  void monitor.exited.then(end);
  try {
    return await monitor.state();
  } catch (error) {
    await setImmediate(); // the answers to one closed connection come in any order
    if (!over) throw error;
    return undefined;
  }
}

// Nobody listens, or the directory is gone (unix(7), connect(2)).
const UNREACHABLE = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'];

async function reach(deps: RuntimeDeps, directory: string): Promise<Monitor | undefined> {
  try {
    return await deps.connectMonitor(directory);
  } catch (error) {
    if (UNREACHABLE.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function whatIsLeft(
  deps: RuntimeDeps,
  cgroup: CgroupPlan,
  directory: string,
): Promise<Found> {
  const text = await readFile(`${directory}/exit`, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  });
  const exit = parseExitFile(text);
  if (exit !== undefined) return { kind: 'exited', exit: taskExit(exit) };
  await removeCgroups(deps.agent, cgroup);
  return { kind: 'gone' };
}

const SIGKILL = 9;

/** Kills the first process and waits until its monitor has cleaned up. */
async function end(monitor: Monitor): Promise<void> {
  const known = await monitor.state().catch(() => undefined);
  // No process: its daemon died before it sent the plan. The monitor ends with this connection.
  if (known?.pid !== 0) {
    // Refused when it has ended already: then the exit is on its way.
    await monitor.signal('', SIGKILL).catch(() => {});
    await Promise.race([monitor.exited, monitor.lost]);
  }
  await monitor[Symbol.asyncDispose]();
}

/**
 * Takes away all that may still be there of a container: its process, its cgroups, the files of its
 * monitor. Success if there is nothing.
 */
export async function sweep(
  deps: RuntimeDeps,
  cgroup: Pick<Box['cgroup'], 'parent'> & { readonly name: string },
  facts: HostFacts,
  directory: string,
): Promise<void> {
  const monitor = await reach(deps, directory);
  if (monitor !== undefined) await end(monitor);
  await removeCgroups(deps.agent, planContainerCgroup({ ...cgroup, resources: {} }, facts));
  rmSync(directory, { recursive: true, force: true });
}
