// resize: the window of a container's terminal.
import { EngineError } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard } from './guard.ts';
import { taskOf } from './pause.ts';
import type { Size } from './port.ts';

/** TIOCSWINSZ holds 16 bits (ioctl_tty(2)). */
export const TERMINAL_SIZE_MAX = 0xffff;

export async function resize(deps: Deps, ref: string, size: Size): Promise<void> {
  const record = deps.store.get(ref);
  guard(record, 'resize', ref);
  checkSize(size);
  // Without a terminal there is nothing to size, which is no mistake of the client's.
  if (record.spec.config.tty) await taskOf(deps, record.id).resize('', size);
  publish(deps, record, 'resize', { height: String(size.height), width: String(size.width) });
}

export function checkSize(size: Size): void {
  for (const value of [size.height, size.width]) {
    if (Number.isInteger(value) && value >= 0 && value <= TERMINAL_SIZE_MAX) continue;
    throw new EngineError('invalid_argument', `invalid terminal size: ${value}`);
  }
}
