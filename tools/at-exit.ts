// What a program must take away before it ends, also when it ends early: by a signal, or by a test
// that failed or hung before it could dispose of what it had.
import { constants } from 'node:os';

const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;
const acts = new Set<() => void>();

function runAll(): void {
  for (const act of acts) {
    try {
      act();
    } catch (error) {
      process.stderr.write(`at exit, ignoring: ${String(error)}\n`);
    }
  }
}

/** Runs it when this process ends, unless it is disposed before. It cannot wait for anything. */
export function atExit(act: () => void): Disposable {
  if (acts.size === 0) {
    process.on('exit', runAll);
    for (const signal of SIGNALS) process.on(signal, exitBy);
  }
  acts.add(act);
  return {
    [Symbol.dispose]: () => {
      if (!acts.delete(act) || acts.size > 0) return;
      process.off('exit', runAll);
      for (const signal of SIGNALS) process.off(signal, exitBy);
    },
  };
}

function exitBy(signal: (typeof SIGNALS)[number]): void {
  process.exit(128 + constants.signals[signal]);
}
