// Signals by number or by name with or without "SIG", as `docker kill -s` takes them.
import { constants } from 'node:os';
import { EngineError } from '#base/error.ts';

/** Real-time signals on Linux (signal(7)); SIGRTMIN as the C library counts. */
const RTMIN = 34;
const RTMAX = 64;

export const SIGKILL = 9;
export const SIGTERM = 15;

export function parseSignal(text: string): number {
  const number = /^\d{1,3}$/.test(text) ? Number(text) : named(text.toUpperCase());
  if (number !== undefined && number > 0 && number <= RTMAX) return number;
  throw new EngineError('invalid_argument', `invalid signal: ${text}`);
}

function named(text: string): number | undefined {
  const name = text.startsWith('SIG') ? text : `SIG${text}`;
  if (Object.hasOwn(constants.signals, name)) {
    return constants.signals[name as NodeJS.Signals];
  }
  const match = /^SIGRTM(IN|AX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (match === null) return undefined;
  const base = match[1] === 'IN' ? RTMIN : RTMAX;
  const offset = Number(match[3] ?? 0) * (match[2] === '-' ? -1 : 1);
  const number = base + offset;
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}
