// A connection to a container's main process or to a command in it: bytes both ways.
import { once } from 'node:events';
import type { Duplex, Writable } from 'node:stream';
import { type EngineClient, type Hijacked, queryText } from '#client/client.ts';
import { ClientError } from '#client/error.ts';
import type { ExecInspect } from '#wire/exec.ts';
import { olderThan } from '#wire/version.ts';
import { type CallOptions, signalOf } from './call.ts';
import { engineError } from './error.ts';
import { collect, type OutputChunk, readOutput } from './stream.ts';

/** More output than this is not collected: iterate over it. */
export const COLLECT_BYTES_MAX = 64 * 1024 * 1024;
/** A command's status is there when its output has ended, or a moment later. */
const EXIT_STATUS_MS_MAX = 10_000;
const EXIT_STATUS_POLL_MS = 10;

export type Window = { readonly rows: number; readonly columns: number };

export class Session implements AsyncDisposable {
  readonly #socket: Duplex;
  readonly #framed: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #closed: Promise<unknown>;
  #taken = false;

  /** @internal */
  constructor(socket: Duplex, framed: boolean, signal: AbortSignal | undefined) {
    this.#socket = socket;
    this.#framed = framed;
    this.#signal = signal;
    this.#closed = once(socket, 'close').catch(() => {});
    // Who reads the output gets the error; without a listener it would end the process.
    socket.on('error', () => {});
    // Both directions are closed apart, and nobody answers any more.
    socket.once('end', () => socket.end());
  }

  /** Standard input; `end()` closes it for the program. */
  get stdin(): Writable {
    return this.#socket;
  }

  /** What the program writes, once. */
  get output(): AsyncGenerator<OutputChunk, void, undefined> {
    if (this.#taken) throw new ClientError('conflict', 'the output is already being read');
    this.#taken = true;
    return readOutput(this.#socket, this.#framed, this.#signal);
  }

  /** Reads the rest of the output as text. */
  async text(): Promise<{ stdout: string; stderr: string }> {
    return collect(this.output, COLLECT_BYTES_MAX, (limit) => {
      this.#socket.destroy();
      return new ClientError('limit_exceeded', `more than ${limit} bytes of output`);
    });
  }

  /** Resolves when the program has closed its output; what nobody reads is dropped. */
  async ended(): Promise<void> {
    if (!this.#taken) this.#socket.resume();
    await this.#closed;
    if (this.#signal?.aborted === true) throw engineError(this.#signal.reason, this.#signal);
  }

  /** Closes the connection. The program goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.#closed;
  }
}

export type ProcessResult = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** A command that was started in a running container. */
export class Process extends Session {
  readonly id: string;
  readonly #client: EngineClient;
  readonly #options: CallOptions;

  /** @internal */
  constructor(client: EngineClient, id: string, stream: Hijacked, options: ProcessOptions) {
    super(stream.socket, !options.tty, options.signal);
    this.id = id;
    this.#client = client;
    this.#options = signalOf(options);
  }

  inspect(options: CallOptions = {}): Promise<ExecInspect> {
    return this.#client.json('GET', `/exec/${this.id}/json`, signalOf(options));
  }

  async resize({ rows, columns }: Window, options: CallOptions = {}): Promise<void> {
    const query = queryText({ h: rows, w: columns });
    await this.#client.done('POST', `/exec/${this.id}/resize${query}`, signalOf(options));
  }

  /** The exit code, when the command has ended. */
  async wait(): Promise<number> {
    await this.ended();
    return this.#exitCode();
  }

  /** The exit code and everything that the command wrote. */
  async result(): Promise<ProcessResult> {
    const { stdout, stderr } = await this.text();
    return { exitCode: await this.#exitCode(), stdout, stderr };
  }

  /** There is no request that waits for it; usually the first answer has it. */
  async #exitCode(): Promise<number> {
    const deadline = performance.now() + EXIT_STATUS_MS_MAX;
    for (;;) {
      const { Running: running, ExitCode: code } = await this.inspect(this.#options);
      if (!running && code !== null) return code;
      if (performance.now() > deadline) {
        const text = `the command has closed its output, and still runs (exec ${this.id})`;
        throw new ClientError('unavailable', text);
      }
      await new Promise((resolve) => setTimeout(resolve, EXIT_STATUS_POLL_MS));
    }
  }
}

type ProcessOptions = CallOptions & { readonly tty: boolean };

/** Whether output comes in frames, where the server does not say: below 1.42. */
export async function isFramed(
  client: EngineClient,
  multiplexed: boolean,
  hasTerminal: () => Promise<boolean>,
): Promise<boolean> {
  return multiplexed || (olderThan(client.version, '1.42') && !(await hasTerminal()));
}
