// What the kernel says of processes that it killed for want of memory: a counter for the whole
// machine, which is cheap to ask, and the kernel log, which names the victims.
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { errnoOf } from '#base/error.ts';
import { OomLog, type OomVictim, parseOomTotal } from '#kernel/cgroup/usage/oom-log.ts';
import { RereadFile } from './usage.ts';

export type { OomVictim } from '#kernel/cgroup/usage/oom-log.ts';

/** One read gives one record, which is shorter than this (CONSOLE_EXT_LOG_MAX). */
const RECORD_BYTES_MAX = 8192;
/** At once; a log that is written faster than it is read is left for the next time. */
const RECORDS_MAX = 100_000;
/** Victims of cgroups that nobody has asked for. */
const VICTIMS_MAX = 256;

export class OomSource implements Disposable {
  readonly #vmstat = new RereadFile('/proc/vmstat');
  readonly #buffer = Buffer.allocUnsafe(RECORD_BYTES_MAX);
  readonly #log = new OomLog();
  #victims: OomVictim[] = [];
  /** "none": it may not be read here. */
  #fd: number | 'none' | undefined;

  /** Kills on this machine since it was started. */
  total(): number {
    return parseOomTotal(this.#vmstat.read() ?? '');
  }

  /** The last `count` victims in cgroups with this id in their path; each is told once. */
  take(id: string, count: number): readonly OomVictim[] {
    this.#read();
    const mine = this.#victims.filter(({ cgroup }) => cgroup.includes(id));
    this.#victims = this.#victims.filter((victim) => !mine.includes(victim));
    // The first reading begins with what the kernel still knows of earlier runs.
    return count === 0 ? [] : mine.slice(-count);
  }

  #read(): void {
    this.#fd ??= openLog();
    if (this.#fd === 'none') return;
    for (let record = 0; record < RECORDS_MAX; record += 1) {
      const text = this.#next(this.#fd);
      if (text === undefined) return;
      const victim = this.#log.feed(text);
      if (victim !== undefined) this.#victims.push(victim);
      if (this.#victims.length > VICTIMS_MAX) this.#victims.shift();
    }
  }

  #next(fd: number): string | undefined {
    try {
      return this.#buffer.toString(
        'utf8',
        0,
        readSync(fd, this.#buffer, 0, RECORD_BYTES_MAX, null),
      );
    } catch (error) {
      // EPIPE: records were overwritten before we came; the next read goes on behind them.
      if (errnoOf(error) === 'EPIPE') return '';
      if (errnoOf(error) === 'EAGAIN') return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#vmstat[Symbol.dispose]();
    if (typeof this.#fd === 'number') closeSync(this.#fd);
  }
}

function openLog(): number | 'none' {
  try {
    return openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    // dmesg_restrict without CAP_SYSLOG, or a container that has no such device.
    if (['EPERM', 'EACCES', 'ENOENT', 'ENXIO'].includes(errnoOf(error) ?? '')) return 'none';
    throw error;
  }
}
