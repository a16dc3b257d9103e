// Who was killed for want of memory: only the kernel log tells. The first line names the cgroup
// (mm/oom_kill.c, dump_oom_summary()), and is left out when many are killed in a short time; each
// victim has a line of its own (__oom_kill_process()).

export type OomVictim = {
  readonly pid: number;
  readonly name: string;
  /** Anonymous memory that it had. */
  readonly anonBytes: number;
  /** Of the victim, as its hierarchy names it; "" when the log does not say. */
  readonly cgroup: string;
};

const SUMMARY = /oom-kill:.*,task_memcg=(.*),task=.*,pid=(\d+),uid=\d+$/;
const VICTIM = /Killed process (\d+) \((.*)\) total-vm:\d+kB, anon-rss:(\d+)kB/;

/** Reads records one after the other: victims of one cgroup follow the line that names it. */
export class OomLog {
  #cgroup = '';

  /** "6,1234,5678,-;text" of /dev/kmsg (Documentation/ABI/testing/dev-kmsg). */
  feed(record: string): OomVictim | undefined {
    const text = record.slice(record.indexOf(';') + 1).split('\n', 1)[0] ?? '';
    const summary = SUMMARY.exec(text);
    if (summary !== null) this.#cgroup = summary[1] ?? '';
    const victim = VICTIM.exec(text);
    if (victim === null) return undefined;
    const [, pid, name = '', anon] = victim;
    return { pid: Number(pid), name, anonBytes: Number(anon) * 1024, cgroup: this.#cgroup };
  }
}

/** /proc/vmstat counts every kill of this kernel, whichever limit it was for. */
export function parseOomTotal(vmstat: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(vmstat)?.[1] ?? 0);
}
