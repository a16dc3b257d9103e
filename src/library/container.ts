// A container by its id: every verb of the Engine API, and its end with the scope that holds it.
import type { Readable } from 'node:stream';
import { type EngineClient, type QueryValue, readJsonLines } from '#client/client.ts';
import { ClientError } from '#client/error.ts';
import { pathStat } from '#client/path-stat.ts';
import type { CommitReply, ContainerPathStat, FilesystemChange } from '#wire/archive.ts';
import type { ContainerUpdateBody, PortBinding } from '#wire/container-config.ts';
import type {
  ContainerInspect,
  ContainerTop,
  ContainerUpdateReply,
  ContainerWaitReply,
} from '#wire/container.ts';
import type { ExecCreateReply } from '#wire/exec.ts';
import type { ContainerStats } from '#wire/stats.ts';
import { type CallOptions, type Moment, momentText, signalOf } from './call.ts';
import { engineError, isGone } from './error.ts';
import { isFramed, Process, type ProcessResult, Session, type Window } from './session.ts';
import { type LogLine, readLogLines, readOutput } from './stream.ts';

export type LogOptions = CallOptions & {
  /** Goes on until the container ends. */
  readonly follow?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** So many of the last lines. */
  readonly tail?: number;
  readonly since?: Moment;
  readonly until?: Moment;
  readonly timestamps?: boolean;
};

export type ExecOptions = CallOptions & {
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workdir?: string;
  readonly privileged?: boolean;
  readonly tty?: boolean;
};

export type AttachOptions = CallOptions & {
  /** Only if the container was made with `stdin`. */
  readonly stdin?: boolean;
  /** What it wrote before, too. */
  readonly logs?: boolean;
};

export type WaitOptions = CallOptions & {
  readonly condition?: 'not-running' | 'next-exit' | 'removed';
};

export type StopOptions = CallOptions & {
  /** Until it is killed. */
  readonly seconds?: number;
  readonly stopSignal?: string;
};

export type RemoveOptions = CallOptions & {
  /** Kills it first. */
  readonly force?: boolean;
  /** Its anonymous volumes, too. */
  readonly volumes?: boolean;
};

export class Container implements AsyncDisposable {
  readonly id: string;
  readonly #client: EngineClient;

  /** @internal Handles come from an Engine. */
  constructor(client: EngineClient, id: string) {
    this.#client = client;
    this.id = id;
  }

  inspect(options: CallOptions = {}): Promise<ContainerInspect> {
    return this.#client.json('GET', this.#path('/json'), signalOf(options));
  }

  start(options: CallOptions = {}): Promise<void> {
    return this.#post('/start', {}, options);
  }

  stop({ seconds, stopSignal, signal }: StopOptions = {}): Promise<void> {
    return this.#post('/stop', { t: seconds, signal: stopSignal }, { signal });
  }

  restart({ seconds, stopSignal, signal }: StopOptions = {}): Promise<void> {
    return this.#post('/restart', { t: seconds, signal: stopSignal }, { signal });
  }

  /** Sends a signal: `SIGKILL` unless told. */
  kill(name?: string, options: CallOptions = {}): Promise<void> {
    return this.#post('/kill', { signal: name }, options);
  }

  pause(options: CallOptions = {}): Promise<void> {
    return this.#post('/pause', {}, options);
  }

  unpause(options: CallOptions = {}): Promise<void> {
    return this.#post('/unpause', {}, options);
  }

  rename(name: string, options: CallOptions = {}): Promise<void> {
    return this.#post('/rename', { name }, options);
  }

  resize({ rows, columns }: Window, options: CallOptions = {}): Promise<void> {
    return this.#post('/resize', { h: rows, w: columns }, options);
  }

  update(body: ContainerUpdateBody, options: CallOptions = {}): Promise<ContainerUpdateReply> {
    return this.#client.json('POST', this.#path('/update'), { json: body, ...signalOf(options) });
  }

  /** Resolves with the exit code. */
  async wait({ condition, signal }: WaitOptions = {}): Promise<number> {
    const options = { query: { condition }, ...signalOf({ signal }) };
    try {
      const path = this.#path('/wait');
      const reply = await this.#client.json<ContainerWaitReply>('POST', path, options);
      if (reply.Error != null) throw new ClientError('internal', reply.Error.Message);
      return reply.StatusCode;
    } catch (error) {
      throw engineError(error, signal);
    }
  }

  /** The lines that it wrote, oldest first. */
  async *logs(options: LogOptions = {}): AsyncGenerator<LogLine, void, undefined> {
    const { follow, signal, stderr, stdout, tail, timestamps } = options;
    const query = {
      follow,
      stdout: stdout !== false,
      stderr: stderr !== false,
      tail,
      timestamps,
      since: momentText(options.since),
      until: momentText(options.until),
    };
    const path = this.#path('/logs');
    const reply = await this.#client.call('GET', path, { query, ...signalOf({ signal }) });
    const framed = await this.#isFramed(reply.headers.get('content-type'), signal);
    yield* readLogLines(readOutput(reply.body, framed, signal), timestamps === true);
  }

  /** A sample a second, until the loop is left or the container is gone. */
  async *stats(options: CallOptions = {}): AsyncGenerator<ContainerStats, void, undefined> {
    const { signal } = options;
    const reply = await this.#client.call('GET', this.#path('/stats'), signalOf(options));
    try {
      yield* readJsonLines<ContainerStats>(reply.body);
    } catch (error) {
      throw engineError(error, signal);
    }
  }

  /** One sample, with the one before it: it takes a second. */
  statsOnce(options: CallOptions = {}): Promise<ContainerStats> {
    const query = { stream: 0 };
    return this.#client.json('GET', this.#path('/stats'), { query, ...signalOf(options) });
  }

  /** Runs a command in it and collects what it writes. */
  async exec(
    command: readonly string[],
    options: ExecOptions & { readonly input?: string | Uint8Array } = {},
  ): Promise<ProcessResult> {
    const { input, ...rest } = options;
    await using process = await this.spawn(command, { ...rest, stdin: input !== undefined });
    if (input !== undefined) process.stdin.end(input);
    return await process.result();
  }

  /** Starts a command in it, with its streams in hand. */
  async spawn(
    command: readonly string[],
    options: ExecOptions & { readonly stdin?: boolean } = {},
  ): Promise<Process> {
    const { env, privileged, signal, stdin, tty = false, user, workdir } = options;
    const json = {
      Cmd: command,
      AttachStdin: stdin !== false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: tty,
      ...(env && { Env: Object.entries(env).map(([name, value]) => `${name}=${value}`) }),
      ...(user !== undefined && { User: user }),
      ...(workdir !== undefined && { WorkingDir: workdir }),
      ...(privileged !== undefined && { Privileged: privileged }),
    };
    const made = { json, ...signalOf({ signal }) };
    const { Id: id } = await this.#client.json<ExecCreateReply>('POST', this.#path('/exec'), made);
    const stream = await this.#client.hijack(`/exec/${id}/start`, {
      json: { Detach: false, Tty: tty },
      ...signalOf({ signal }),
    });
    return new Process(this.#client, id, stream, { tty, signal });
  }

  /** Joins the streams of its main process; before `start` nothing is missed. */
  async attach({ logs, signal, stdin }: AttachOptions = {}): Promise<Session> {
    const query = { stream: true, stdin, stdout: true, stderr: true, logs };
    const options = { query, ...signalOf({ signal }) };
    const { multiplexed, socket } = await this.#client.hijack(this.#path('/attach'), options);
    const framed = await isFramed(this.#client, multiplexed, () => this.#hasTerminal(signal));
    return new Session(socket, framed, signal);
  }

  top(psArgs?: string, options: CallOptions = {}): Promise<ContainerTop> {
    const query = { ps_args: psArgs };
    return this.#client.json('GET', this.#path('/top'), { query, ...signalOf(options) });
  }

  async changes(options: CallOptions = {}): Promise<readonly FilesystemChange[]> {
    const path = this.#path('/changes');
    const list = await this.#client.json<FilesystemChange[] | null>('GET', path, signalOf(options));
    return list ?? [];
  }

  /** A file or directory of it, as a tar. */
  async getArchive(path: string, options: CallOptions = {}): Promise<Readable> {
    const wish = { query: { path }, ...signalOf(options) };
    return (await this.#client.call('GET', this.#path('/archive'), wish)).body;
  }

  /** Unpacks a tar into a directory of it. */
  async putArchive(
    directory: string,
    tar: Readable | Uint8Array,
    options: CallOptions = {},
  ): Promise<void> {
    const wish = { query: { path: directory }, stream: tar, ...signalOf(options) };
    await this.#client.done('PUT', this.#path('/archive'), wish);
  }

  async statPath(path: string, options: CallOptions = {}): Promise<ContainerPathStat> {
    const wish = { query: { path }, ...signalOf(options) };
    const reply = await this.#client.call('HEAD', this.#path('/archive'), wish);
    reply.body.resume();
    return pathStat(reply);
  }

  /** Its whole root as a tar. */
  async export(options: CallOptions = {}): Promise<Readable> {
    return (await this.#client.call('GET', this.#path('/export'), signalOf(options))).body;
  }

  /** An image of it as it is now; resolves with the image's id. */
  async commit(
    { repo, tag, comment }: { repo?: string; tag?: string; comment?: string } = {},
    options: CallOptions = {},
  ): Promise<string> {
    const query = { container: this.id, repo, tag, comment };
    const wish = { query, ...signalOf(options) };
    return (await this.#client.json<CommitReply>('POST', '/commit', wish)).Id;
  }

  /** Where a port of it is reached on the host: `port(80)`, `port('53/udp')`. */
  async port(port: number | string, options: CallOptions = {}): Promise<PortBinding | undefined> {
    const key = String(port).includes('/') ? String(port) : `${port}/tcp`;
    const { NetworkSettings: settings } = await this.inspect(options);
    return settings.Ports[key]?.[0];
  }

  async remove({ force, signal, volumes }: RemoveOptions = {}): Promise<void> {
    const query = { force, v: volumes };
    await this.#client.done('DELETE', this.#path(''), { query, ...signalOf({ signal }) });
  }

  /** Kills and removes it with its anonymous volumes; nothing if it is gone already. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.remove({ force: true, volumes: true });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  #path(rest: string): string {
    return `/containers/${encodeURIComponent(this.id)}${rest}`;
  }

  async #post(
    rest: string,
    query: Readonly<Record<string, QueryValue>>,
    options: CallOptions,
  ): Promise<void> {
    await this.#client.done('POST', this.#path(rest), { query, ...signalOf(options) });
  }

  async #hasTerminal(signal: AbortSignal | undefined): Promise<boolean> {
    return (await this.inspect({ signal })).Config.Tty;
  }

  #isFramed(contentType: string | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    const multiplexed = contentType?.includes('multiplexed-stream') ?? false;
    return isFramed(this.#client, multiplexed, () => this.#hasTerminal(signal));
  }
}
