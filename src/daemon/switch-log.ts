// A log whose target can be exchanged while the daemon runs (SIGHUP).
import type { Log } from '#base/log.ts';

export class SwitchLog implements Log {
  #target: Log;

  constructor(target: Log) {
    this.#target = target;
  }

  use(target: Log): void {
    this.#target = target;
  }

  debug(message: string, facts?: Record<string, unknown>): void {
    this.#target.debug(message, facts);
  }

  info(message: string, facts?: Record<string, unknown>): void {
    this.#target.info(message, facts);
  }

  warn(message: string, facts?: Record<string, unknown>): void {
    this.#target.warn(message, facts);
  }

  error(message: string, facts?: Record<string, unknown>): void {
    this.#target.error(message, facts);
  }
}
