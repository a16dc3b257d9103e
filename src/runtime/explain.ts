// What was done to make a container, for somebody who is learning: each operation as the system
// calls that it is, why it is there, and how long it took. Pure; works on a plan alone too.
import { errnoName } from '#kernel/native/encode.ts';
import type { LaunchPlan, Op, OpName, OpOf, OpResult, Place } from '#kernel/native/op.ts';
import { GROUPS, groupOf, type GroupName } from './explain-group.ts';
import { callText } from './explain-call.ts';
import { whyText } from './explain-why.ts';

export type ExplainedStep = {
  /** Counted from 1 over the whole plan, in the order of performing. */
  readonly step: number;
  readonly op: OpName;
  /** As a system call with its arguments. */
  readonly text: string;
  readonly why: string;
  /** The list of the plan: host, join, init, teardown. */
  readonly where: Place;
  /** null when it was not performed (yet). */
  readonly nanoseconds: number | null;
  readonly errno: string | null;
};

export type ExplainedGroup = {
  readonly name: GroupName;
  readonly steps: readonly ExplainedStep[];
};

const PLACES = ['host', 'join', 'clone', 'init', 'teardown'] as const;

/**
 * Groups in the order in which their first step happens. clone3 is no operation of a list, but it
 * is where the namespaces come from, so it stands as a step of its own.
 */
export function explain(plan: LaunchPlan, results: readonly OpResult[]): ExplainedGroup[] {
  const done = new Map(results.map((result) => [`${result.place} ${result.index}`, result]));
  const groups = new Map<GroupName, ExplainedStep[]>();
  let step = 0;
  for (const place of PLACES) {
    if (place === 'clone') {
      step += 1;
      push(groups, 'namespaces', cloneStep(step, plan.cloneFlags));
      continue;
    }
    for (const [index, op] of plan[place].entries()) {
      step += 1;
      push(groups, groupOf(op, place), stepOf(step, op, place, done.get(`${place} ${index}`)));
    }
  }
  return [...groups]
    .map(([name, steps]) => ({ name, steps }))
    .sort((a, b) => GROUPS.indexOf(a.name) - GROUPS.indexOf(b.name));
}

function push(groups: Map<GroupName, ExplainedStep[]>, name: GroupName, step: ExplainedStep): void {
  const steps = groups.get(name);
  if (steps === undefined) groups.set(name, [step]);
  else steps.push(step);
}

function stepOf(step: number, op: Op, where: Place, result: OpResult | undefined): ExplainedStep {
  return {
    step,
    op: op.op,
    text: callText(op),
    why: whyText(op),
    where,
    nanoseconds: result?.nanoseconds ?? null,
    errno: result === undefined || result.errno === 0 ? null : errnoName(result.errno),
  };
}

/** Shown as the `unshare` it amounts to. */
function cloneStep(step: number, flags: number): ExplainedStep {
  const op: OpOf<'unshare'> = { op: 'unshare', flags };
  return {
    step,
    op: 'unshare',
    text: callText(op).replace(/^unshare\((.*)\)$/, 'clone3({flags: $1, exit_signal: SIGCHLD})'),
    why:
      'Makes the first process of the container, already inside new namespaces: ' +
      'each one gives it a private copy of something that is global otherwise.',
    where: 'init',
    nanoseconds: null,
    errno: null,
  };
}

/** The time of all performed steps; null when none was. */
export function totalNanoseconds(groups: readonly ExplainedGroup[]): number | null {
  const times = groups.flatMap((group) => group.steps.map((step) => step.nanoseconds));
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : known.reduce((sum, time) => sum + time, 0);
}
