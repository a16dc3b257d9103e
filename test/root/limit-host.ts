// What the tests of limits do with an engine: containers by its API, a shell in them, and the files
// of their cgroups on the host, of whichever version each controller is.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, startDaemon } from '../daemon.ts';
import { hijack, readAll } from './engine-call.ts';

const UNTIL_MS_MAX = 10_000;

export type Json = Readonly<Record<string, unknown>>;

export class LimitHost implements AsyncDisposable {
  readonly daemon: Daemon;
  constructor(daemon: Daemon) {
    this.daemon = daemon;
  }

  static async start(flags: readonly string[] = []): Promise<LimitHost> {
    return new LimitHost(await startDaemon(flags));
  }

  async call(method: string, path: string, body?: unknown): Promise<Json> {
    const { status, json } = await this.daemon.api(method, path, body);
    if (status >= 400) throw new Error((json as { readonly message: string }).message);
    return (json ?? {}) as Json;
  }

  async run(script: string, host: Json, config: Json = {}): Promise<LimitedContainer> {
    const { Id } = (await this.call('POST', '/containers/create', {
      Image: 'busybox',
      Cmd: ['sh', '-c', script],
      HostConfig: { NetworkMode: 'none', ...host },
      ...config,
    })) as { readonly Id: string };
    await this.call('POST', `/containers/${Id}/start`);
    return new LimitedContainer(this, Id, await this.pidOf(Id));
  }

  async pidOf(id: string): Promise<number> {
    const { State } = (await this.call('GET', `/containers/${id}/json`)) as {
      readonly State: { readonly Pid: number };
    };
    return State.Pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}

export type Shell = { readonly out: string; readonly code: number; readonly ms: number };

export class LimitedContainer {
  readonly host: LimitHost;
  readonly id: string;
  readonly pid: number;
  constructor(host: LimitHost, id: string, pid: number) {
    this.host = host;
    this.id = id;
    this.pid = pid;
  }

  /** Both outputs and the exit code of a script in the container, and how long it took. */
  async shell(script: string): Promise<Shell> {
    const { Id } = (await this.host.call('POST', `/containers/${this.id}/exec`, {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: ['sh', '-c', script],
    })) as { readonly Id: string };
    const { socket } = this.host.daemon.engine;
    const startedAt = performance.now();
    const body = { Detach: false, Tty: false };
    const { stdout, stderr } = await readAll(await hijack(socket, `/exec/${Id}/start`, body));
    const ms = performance.now() - startedAt;
    const { ExitCode } = (await this.host.call('GET', `/exec/${Id}/json`)) as {
      readonly ExitCode: number;
    };
    return { out: stdout + stderr, code: ExitCode, ms };
  }

  async update(body: Json): Promise<readonly string[]> {
    const path = `/containers/${this.id}/update`;
    const { Warnings } = (await this.host.call('POST', path, body)) as {
      readonly Warnings: readonly string[] | null;
    };
    return Warnings ?? [];
  }

  async inspect(): Promise<{ readonly HostConfig: Json; readonly State: Json }> {
    return (await this.host.call('GET', `/containers/${this.id}/json`)) as {
      readonly HostConfig: Json;
      readonly State: Json;
    };
  }

  async remove(): Promise<void> {
    await this.host.call('DELETE', `/containers/${this.id}?force=1`);
  }

  /** The directory of its cgroup in the hierarchy of a controller. */
  directory(controller: string): string {
    return cgroupOf(this.pid, controller);
  }

  read(controller: string, file: string): string {
    return readFileSync(`${this.directory(controller)}/${file}`, 'utf8').trim();
  }
}

const mountinfo = (): string[] => readFileSync('/proc/self/mountinfo', 'utf8').split('\n');

/** 1 when a controller has a hierarchy of its own, 2 when cgroup2 has it, or 0. */
export function versionOf(controller: string): 0 | 1 | 2 {
  const own = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  if (own.some((line) => line.split(':')[1]?.split(',').includes(controller))) return 1;
  const root = unifiedMount();
  if (root === undefined) return 0;
  const controllers = readFileSync(`${root}/cgroup.controllers`, 'utf8').trim().split(' ');
  return controllers.includes(controller) ? 2 : 0;
}

/** True when a subsystem of version 1 could be mounted. */
export function canMount(controller: string): boolean {
  if (!existsSync('/proc/cgroups')) return false;
  return new RegExp(`^${controller}\\t\\d+\\t\\d+\\t1$`, 'm').test(
    readFileSync('/proc/cgroups', 'utf8'),
  );
}

/** True when the host itself has a hierarchy of version 1 mounted; an engine's own do not count. */
export function hostMounts(controller: string): boolean {
  return mountinfo().some((line) => {
    const [fstype, source, options = ''] = line.split(' - ')[1]?.split(' ') ?? [];
    return fstype === 'cgroup' && source !== 'coracle' && options.split(',').includes(controller);
  });
}

function unifiedMount(): string | undefined {
  return mountinfo()
    .find((line) => / - cgroup2 /.test(line))
    ?.split(' ')[4];
}

function cgroupOf(pid: number, controller: string): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  const line = lines.find((each) => each.split(':')[1]?.split(',').includes(controller));
  if (line === undefined) {
    const path = lines.find((each) => each.startsWith('0::'))?.slice(3) ?? '';
    return `${unifiedMount()}${path}`;
  }
  const mount = mountinfo().find((each) => {
    const [, after = ''] = each.split(' - ');
    return after.startsWith('cgroup ') && after.split(/[ ,]/).includes(controller);
  });
  return `${mount?.split(' ')[4]}${line.replace(/^\d+:[^:]*:/, '')}`;
}

/** Resolves once the condition holds; throws with what it was when it never does. */
export async function until(what: string, condition: () => boolean | Promise<boolean>) {
  const deadline = performance.now() + UNTIL_MS_MAX;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(10);
  }
}
