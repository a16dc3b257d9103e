// Reads what a running container has used. It is done once a second for each that is watched, so
// the files stay open: a read from its start makes the kernel write the text anew (a pread of 1 µs,
// with open and close 6 µs). An open file keeps no cgroup from being removed.
import { closeSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '#base/error.ts';
import { type HostCpu, parseHostCpu } from '#kernel/cgroup/usage/cpu.ts';
import type { Usage, UsagePlan } from '#kernel/cgroup/usage/usage.ts';
import { type InterfaceCounters, parseNetDev } from '#kernel/netlink/net-dev.ts';

export type TaskUsage = {
  readonly usage: Usage;
  /** What all CPUs of the host spent, at nearly the same moment. */
  readonly host: HostCpu;
  /** By name, as seen inside. */
  readonly interfaces: Readonly<Record<string, InterfaceCounters>>;
};

/** More containers than this allows are read with open and close. */
const OPEN_FILES_MAX = 8_192;
/** memory.stat of a machine with many NUMA nodes is a tenth of this. */
const FILE_BYTES_MAX = 256 * 1024;
/** /proc/stat counts in steps of 10 ms: reading it for each of many containers tells no more. */
const HOST_CPU_MS_MAX = 5;

const buffer = Buffer.allocUnsafe(FILE_BYTES_MAX);
let openFiles = 0;

/** Not there, no such controller, or removed while it was open (kernfs(5): ENODEV). */
const GONE = ['ENOENT', 'ENODEV', 'ESRCH'];
/** A kernel that measures no pressure although it has the files (psi=0). */
const UNSUPPORTED = ['EOPNOTSUPP', 'ENOTSUP'];

/** A file that is read again and again; "" of a file is a text, undefined is no file. */
export class RereadFile implements Disposable {
  readonly #path: string;
  #fd: number | undefined;
  #missing = false;

  constructor(path: string) {
    this.#path = path;
  }

  read(): string | undefined {
    // Files of a cgroup do not appear later.
    if (this.#missing) return undefined;
    try {
      if (this.#fd !== undefined) return text(this.#fd);
      const fd = openSync(this.#path, 'r');
      if (openFiles < OPEN_FILES_MAX) {
        openFiles += 1;
        this.#fd = fd;
        return text(fd);
      }
      try {
        return text(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      const errno = errnoOf(error) ?? '';
      if (!GONE.includes(errno) && !UNSUPPORTED.includes(errno)) throw error;
      this[Symbol.dispose]();
      this.#missing = true;
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    openFiles -= 1;
  }
}

function text(fd: number): string {
  return buffer.toString('latin1', 0, readSync(fd, buffer, 0, FILE_BYTES_MAX, 0));
}

export class UsageReader implements Disposable {
  readonly #plan: UsagePlan;
  readonly #pid: number;
  readonly #files: readonly RereadFile[];

  constructor(plan: UsagePlan, pid: number) {
    this.#plan = plan;
    this.#pid = pid;
    this.#files = plan.files.map((path) => new RereadFile(path));
  }

  /** Of these interfaces; undefined = its cgroups are gone. */
  read(interfaces: readonly string[]): TaskUsage | undefined {
    const texts = this.#files.map((file) => file.read());
    if (texts.every((each) => each === undefined)) return undefined;
    return {
      usage: this.#plan.parse(texts),
      host: readHostCpu(),
      interfaces: interfaces.length === 0 ? {} : this.#countersOf(interfaces),
    };
  }

  #countersOf(interfaces: readonly string[]): TaskUsage['interfaces'] {
    // Not kept open: it would keep the network namespace, and so the interfaces in it.
    using netDev = new RereadFile(`/proc/${this.#pid}/net/dev`);
    const all = Object.entries(parseNetDev(netDev.read() ?? ''));
    return Object.fromEntries(all.filter(([name]) => interfaces.includes(name)));
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }
}

const hostStat = new RereadFile('/proc/stat');
let hostCpu: HostCpu = { nanoseconds: 0, cpus: 0 };
let hostCpuAt = Number.NEGATIVE_INFINITY;

function readHostCpu(): HostCpu {
  const at = performance.now();
  if (at - hostCpuAt < HOST_CPU_MS_MAX) return hostCpu;
  hostCpu = parseHostCpu(hostStat.read() ?? '');
  hostCpuAt = at;
  return hostCpu;
}
