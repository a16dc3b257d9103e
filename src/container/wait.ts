// wait: resolves the container at once, and latches the wanted end before it answers, so that a
// start that follows cannot be missed.
import type { Deps } from './deps.ts';
import type { WaitAnswer, WaitCondition } from './engine.ts';
import { isRunning } from './guard.ts';
import type { ContainerRecord } from './record.ts';

export function wait(
  deps: Pick<Deps, 'store' | 'lives'>,
  ref: string,
  condition: WaitCondition,
  signal: AbortSignal,
): { readonly answer: Promise<WaitAnswer> } {
  const record = deps.store.get(ref);
  const live = deps.lives.of(record.id);
  switch (condition) {
    case 'removed':
      return { answer: live.removed.next(signal) };
    case 'next-exit':
      return { answer: live.exited.next(signal) };
    case 'not-running':
      return { answer: notRunning(deps, record.id, signal) };
    default:
      return condition satisfies never;
  }
}

/** Ends that the restart policy answers do not count: the container is still going. */
async function notRunning(
  deps: Pick<Deps, 'store' | 'lives'>,
  id: string,
  signal: AbortSignal,
): Promise<WaitAnswer> {
  const live = deps.lives.of(id);
  if (live.starting !== undefined) {
    // What it comes to, not what was before it; where it fails, --rm takes the record away.
    const next = live.exited.next(signal);
    await live.starting;
    if (deps.store.find(id) === undefined) return next;
  }
  let record = deps.store.get(id);
  while (isRunning(record.state) || record.state.status === 'restarting') {
    const answer = await live.exited.next(signal);
    const after = deps.store.find(id);
    if (after === undefined) return answer;
    record = after;
  }
  return lastEnd(record);
}

function lastEnd(record: ContainerRecord): WaitAnswer {
  const { state, startError } = record;
  if (startError !== undefined) {
    return { statusCode: startError.exitCode, error: startError.message };
  }
  return { statusCode: 'exit' in state ? state.exit.exitCode : 0, error: undefined };
}
