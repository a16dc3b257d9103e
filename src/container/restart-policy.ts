// When an ended container is started again, and after how long. Pure; timers are in exit.ts.
import { EngineError } from '#base/error.ts';
import type { RestartPolicy } from './spec.ts';

/** Docker's back-off: 100 ms doubling to a minute, forgotten after a run of ten seconds. */
export const RESTART_DELAY_MS_MIN = 100;
export const RESTART_DELAY_MS_MAX = 60_000;
export const RESTART_RESET_MS = 10_000;

export type RestartFacts = {
  readonly exitCode: number;
  /** How often the policy has started it since somebody did by hand. */
  readonly restartCount: number;
  /** Somebody asked for the end: stop or kill. */
  readonly manuallyStopped: boolean;
};

export function shouldRestart(policy: RestartPolicy, facts: RestartFacts): boolean {
  if (facts.manuallyStopped) return false;
  switch (policy.name) {
    case 'no':
      return false;
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      if (facts.exitCode === 0) return false;
      return policy.maximumRetryCount === 0 || facts.restartCount < policy.maximumRetryCount;
    default:
      return policy.name satisfies never;
  }
}

/** The next delay, given the last one (0 = none yet) and how long the container ran. */
export function nextDelayMs(lastMs: number, ranMs: number): number {
  if (lastMs === 0 || ranMs >= RESTART_RESET_MS) return RESTART_DELAY_MS_MIN;
  return Math.min(lastMs * 2, RESTART_DELAY_MS_MAX);
}

/** Whether a container found ended when the daemon starts is to be started. */
export function shouldStartAtBoot(
  policy: RestartPolicy,
  facts: RestartFacts & { readonly hasRun: boolean },
): boolean {
  if (!facts.hasRun) return false;
  // "always" comes back with the daemon even if it was stopped by hand; that is the whole
  // difference to "unless-stopped" (Docker's documentation, "Restart policies").
  if (policy.name === 'always') return true;
  return shouldRestart(policy, facts);
}

export function checkRestartPolicy(policy: RestartPolicy, autoRemove: boolean): void {
  const invalid = (text: string) => new EngineError('invalid_argument', text);
  if (policy.maximumRetryCount !== 0 && policy.name !== 'on-failure') {
    throw invalid(
      "invalid restart policy: maximum retry count can only be used with 'on-failure'" +
        (policy.maximumRetryCount < 0 ? ' and cannot be negative' : ''),
    );
  }
  if (policy.maximumRetryCount < 0) {
    throw invalid('invalid restart policy: maximum retry count cannot be negative');
  }
  if (autoRemove && policy.name !== 'no') {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
}
