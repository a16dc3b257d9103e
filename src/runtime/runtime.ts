// The runtime as container/ sees it: one object, made once by daemon/. Which program makes the
// process, our own init or an external OCI runtime, is up to each box.
import type { Box } from './box.ts';
import { type ExplainedGroup, explain, totalNanoseconds } from './explain.ts';
import type { HostFacts } from './facts.ts';
import { type Found, find, launch, prepare, sweep } from './launch.ts';
import type { RuntimeDeps, Task } from './task.ts';
import { readTrace, resultsOf } from './trace.ts';

export type Story = {
  readonly groups: readonly ExplainedGroup[];
  readonly totalNanoseconds: number | null;
};

export interface BoxRuntime {
  /** Makes everything up to go(); takes back its own half-done work when it fails. */
  launch(box: Box, directory: string): Promise<Task>;
  /** What became of a container of an earlier daemon. */
  find(box: Box, directory: string): Promise<Found>;
  /** Takes away all that the kernel and the run directory may still hold; success if nothing. */
  sweep(id: string, cgroupParent: string, directory: string): Promise<void>;
  /** The operations that launch() would have performed. */
  plan(box: Box): readonly ExplainedGroup[];
  /** Those that it has performed, as long as the run directory is there. */
  explain(directory: string): Promise<Story | undefined>;
}

export function createRuntime(deps: RuntimeDeps, facts: HostFacts): BoxRuntime {
  return {
    launch: (box, directory) => launch(deps, box, facts, directory),
    find: (box, directory) => find(deps, box, facts, directory),
    sweep: (id, cgroupParent, directory) => sweep(deps, { id, cgroupParent }, facts, directory),
    plan: (box) => explain(prepare(box, facts).plan, []),
    explain: async (directory) => {
      const trace = await readTrace(directory);
      if (trace === undefined) return undefined;
      const { plan } = prepare(trace.box, facts);
      const groups = explain(plan, resultsOf(plan, trace));
      return { groups, totalNanoseconds: totalNanoseconds(groups) };
    },
  };
}
