// Limits of a running container are changed all or not at all: every write is planned first, and
// when one is refused, those before it are taken back.
import { constants, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import type { CgroupPlan } from '#kernel/cgroup/cgroup.ts';
import {
  type CgroupChange,
  changeFactFiles,
  type ChangePlan,
  planChange,
  settleChange,
} from '#kernel/cgroup/change.ts';
import { type CgroupStep, type CgroupWriteStep, checkReadBack } from '#kernel/cgroup/step.ts';
import type { Agent } from '#kernel/native/native.ts';
import { cgroupOp, readTexts } from './cgroup.ts';
import type { HostFacts } from './facts.ts';

/** A file that is not there is not made, which cgroup file systems answer with EACCES. */
const PRESENT = { flag: constants.O_WRONLY } as const;
/** What of a container's processes may be forked while they are moved; see enter(). */
const MOVE_ROUNDS_MAX = 64;

export type ChangeDeps = {
  readonly agent: Pick<Agent, 'perform'>;
  /** On the host, of all processes of the container. */
  readonly pids: () => Promise<readonly number[]>;
};

/** Returns the plan that the container follows from now on. */
export async function changeCgroups(
  deps: ChangeDeps,
  facts: HostFacts,
  change: CgroupChange,
): Promise<CgroupPlan> {
  const files = changeFactFiles(facts.cgroups, change);
  const made = planChange(facts.cgroups, change, readTexts(files));
  const texts = readTexts(made.steps.flatMap(({ step }) => (isReadable(step) ? [step.path] : [])));
  const undo: CgroupStep[][] = [];
  try {
    for (const each of settleChange(made, texts)) {
      await perform(deps.agent, each.step);
      // From here on it is done, even if the kernel kept another value.
      undo.push([...(each.undo ?? [])]);
      checkKept(each.step);
    }
    for (const directory of made.enter) await enter(deps, directory);
  } catch (error) {
    await takeBack(deps, made, undo.reverse().flat(), error);
    throw error;
  }
  return made.plan;
}

function isReadable(step: CgroupStep): boolean {
  return step.op === 'cgroup_write' && step.check !== 'write_only';
}

async function perform(agent: ChangeDeps['agent'], step: CgroupStep): Promise<void> {
  if (step.op !== 'cgroup_write') {
    await agent.perform([cgroupOp(step)]);
    return;
  }
  if (step.path.endsWith('/memory.max')) await makeRoom(step);
  try {
    await writeFile(step.path, step.value, PRESENT);
  } catch (error) {
    throw refused(step, errnoOf(error) ?? messageOf(error), error);
  }
}

function checkKept(step: CgroupStep): void {
  if (step.op !== 'cgroup_write' || step.check === 'write_only') return;
  checkReadBack(step, readFileSync(step.path, 'utf8'));
}

/**
 * Version 1 refuses a limit below what is used (EBUSY); version 2 takes it and kills somebody. So
 * there the kernel is asked to reclaim first, and we refuse for it.
 */
async function makeRoom(step: CgroupWriteStep): Promise<void> {
  const directory = step.path.slice(0, -'/memory.max'.length);
  const excess = (): number =>
    Number(readFileSync(`${directory}/memory.current`, 'utf8')) - Number(step.value);
  if (!(excess() > 0)) return; // "max" is no number, and nothing is above it
  // EAGAIN: less than that could be reclaimed; ENOENT: a kernel before 5.19.
  await writeFile(`${directory}/memory.reclaim`, String(excess()), PRESENT).catch(() => {});
  if (excess() > 0) throw refused(step, 'EBUSY', undefined);
}

function refused(step: CgroupWriteStep, errno: string, cause: unknown): EngineError {
  const why = REASONS[errno] === undefined ? errno : `${errno} (${REASONS[errno]})`;
  return new EngineError('kernel_refused', `cannot write "${step.value}" to ${step.path}: ${why}`, {
    cause,
    facts: { file: step.path, value: step.value, errno },
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EBUSY: 'more than that is in use',
  EINVAL: 'not a value that the kernel takes here, or more than the cgroup above has',
  ENODEV: 'no such device, or not a whole disk',
  ENOTSUP: 'the scheduler of this disk has no weights; bfq has',
  EAGAIN: 'less than that could be reclaimed',
  EPERM: 'the cgroup above does not allow it',
  ENOENT: 'this kernel has no such file',
};

/** What was refused is the error; what could not be taken back stands in its facts. */
async function takeBack(
  deps: ChangeDeps,
  made: ChangePlan,
  steps: readonly CgroupStep[],
  error: unknown,
): Promise<void> {
  const lost: string[] = [];
  for (const step of steps) {
    await perform(deps.agent, step).catch((problem: unknown) => lost.push(messageOf(problem)));
  }
  for (const directory of made.enter) await leave(directory, lost);
  if (lost.length === 0) return;
  const text = `${messageOf(error)}; and not all could be taken back: ${lost.join('; ')}`;
  throw new EngineError('kernel_refused', text, { cause: error });
}

/** Each process by itself; those that are forked meanwhile come with another round. */
async function enter(deps: ChangeDeps, directory: string): Promise<void> {
  for (let round = 0; round < MOVE_ROUNDS_MAX; round += 1) {
    const inside = new Set(pidsIn(directory));
    const outside = (await deps.pids()).filter((pid) => !inside.has(pid));
    if (outside.length === 0) return;
    for (const pid of outside) await move(pid, directory);
  }
  throw new EngineError('unavailable', `the processes fork faster than they enter ${directory}`);
}

/** Who is in goes to the cgroup above; the empty one is removed with the container. */
async function leave(directory: string, lost: string[]): Promise<void> {
  const above = directory.slice(0, directory.lastIndexOf('/'));
  for (const pid of pidsIn(directory)) {
    await move(pid, above).catch((problem: unknown) => lost.push(messageOf(problem)));
  }
}

function pidsIn(directory: string): number[] {
  const text = readTexts([`${directory}/cgroup.procs`])[`${directory}/cgroup.procs`] ?? '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

async function move(pid: number, directory: string): Promise<void> {
  try {
    await writeFile(`${directory}/cgroup.procs`, String(pid), PRESENT);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return; // it has ended
    const text = `cannot move process ${pid} into ${directory}: ${errnoOf(error)}`;
    throw new EngineError('kernel_refused', text, { cause: error });
  }
}
