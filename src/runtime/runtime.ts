// The runtime as container/ sees it: one object, made once by daemon/. Which program makes the
// process, our own init or an external OCI runtime, is up to each box.
import { EngineError } from '#base/error.ts';
import type { LaunchPlan } from '#kernel/native/op.ts';
import type { Box } from './box.ts';
import { type ExplainedGroup, explain, totalNanoseconds } from './explain.ts';
import type { HostFacts } from './facts.ts';
import { type Found, find, fork, launch, prepare, sweep } from './launch.ts';
import { findRunc, launchRunc, prepareRunc } from './runc/launch.ts';
import type { Beside, RuntimeDeps, Spare, Task } from './task.ts';
import { readTrace, resultsOf } from './trace.ts';

export type Story = {
  readonly groups: readonly ExplainedGroup[];
  readonly totalNanoseconds: number | null;
};

export interface BoxRuntime {
  /** Makes everything up to go(); takes back its own half-done work when it fails. */
  launch(box: Box, directory: string, beside?: Beside): Promise<Task>;
  /** A monitor for a launch to come of our own runtime; `makesNetwork`: a namespace for none. */
  fork(directory: string, makesNetwork: boolean): Promise<Spare>;
  /** What became of a container of an earlier daemon. */
  find(box: Box, directory: string): Promise<Found>;
  /** Takes away all that the kernel and the run directory may still hold; success if nothing. */
  sweep(
    cgroup: { readonly parent: string; readonly name: string },
    directory: string,
  ): Promise<void>;
  /** The operations that launch() would have performed. */
  plan(box: Box): readonly ExplainedGroup[];
  /** Those that it has performed; when the run directory is gone, as keepTrace() kept them. */
  explain(directory: string, kept: string): Promise<Story | undefined>;
}

/** Name as `docker run --runtime` has it → path of the program, or its name to be found by PATH. */
export type ExternalRuntimes = Readonly<Record<string, string>>;
export const OWN_RUNTIME = 'coracle';

export function createRuntime(
  deps: RuntimeDeps,
  facts: HostFacts,
  external: ExternalRuntimes = { runc: 'runc' },
): BoxRuntime {
  const programOf = (box: Box): string | undefined => findProgram(box, external);
  const planOf = (box: Box, directory: string): LaunchPlan => {
    const program = programOf(box);
    return program === undefined
      ? prepare(box, facts).plan
      : prepareRunc(program, box, facts, directory).plan;
  };
  return {
    launch: (box, directory, beside) => {
      const program = programOf(box);
      return program === undefined
        ? launch(deps, box, facts, directory, beside)
        : launchRunc(deps, program, box, facts, directory, beside?.ready);
    },
    fork: (directory, makesNetwork) => fork(deps, directory, makesNetwork),
    find: (box, directory) => {
      const program = programOf(box);
      return program === undefined
        ? find(deps, box, facts, directory)
        : findRunc(deps, program, box, facts, directory);
    },
    sweep: (cgroup, directory) => sweep(deps, cgroup, facts, directory),
    plan: (box) => explain(planOf(box, `/run/${OWN_RUNTIME}/${box.id}`), []),
    explain: async (directory, kept) => {
      const trace = (await readTrace(directory)) ?? (await readTrace(kept));
      if (trace === undefined) return undefined;
      const plan = planOf(trace.box, directory);
      const groups = explain(plan, resultsOf(plan, trace));
      return { groups, totalNanoseconds: totalNanoseconds(groups) };
    },
  };
}

/** undefined for our own init. */
function findProgram(box: Box, external: ExternalRuntimes): string | undefined {
  const { runtime = OWN_RUNTIME } = box;
  if (runtime === OWN_RUNTIME) return undefined;
  const program = Object.hasOwn(external, runtime) ? external[runtime] : undefined;
  if (program !== undefined) return program;
  throw new EngineError('invalid_argument', `unknown or invalid runtime name: ${runtime}`);
}
