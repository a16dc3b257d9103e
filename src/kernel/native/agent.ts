// The agent process: the daemon's hands. Requests go out in order over a socket pair and are
// answered in order. When it dies (it never should) pending requests fail and the next one starts a
// new agent: it holds no state that matters, and the monitors live on.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { EngineError } from '#base/error.ts';
import {
  checkResults,
  Decoder,
  encodeFrameHeader,
  encodePerform,
  FRAME,
  FRAME_HEADER_BYTES,
  OpError,
} from './encode.ts';
import { FrameReader } from './frames.ts';
import type { Agent } from './native.ts';
import type { Op, OpResult } from './op.ts';

type Waiting = {
  readonly resolve: (body: Buffer) => void;
  readonly reject: (error: Error) => void;
};

/** A child of the C program that answers PERFORM frames on its descriptor 3. */
export class NativeProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  readonly #ended: Promise<void>;
  #error: Error | undefined;
  #stderr = '';
  #id = 0;

  constructor(path: string, args: readonly string[]) {
    this.#child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: {} });
    this.#socket = this.#child.stdio[3] as Socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#child.once('error', (error) => this.#fail(error, resolve));
    this.#child.once('exit', (code, signal) => {
      const how = signal ?? `status ${code}`;
      const said = this.#stderr.trim();
      this.#fail(
        new EngineError('internal', `${path} ended with ${how}${said ? `: ${said}` : ''}`),
        resolve,
      );
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4096);
    });
    this.#socket.on('error', () => {}); // the exit says more
    new FrameReader(this.#socket, (frame) => this.#waiting.shift()?.resolve(frame.body));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return this.#error === undefined;
  }

  /**
   * Bytes written that the process has not taken yet; callers wait for `drained` above their limit.
   */
  get backlog(): number {
    return this.#socket.writableLength;
  }

  drained(): Promise<void> {
    if (this.#socket.writableLength === 0 || !this.alive) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.once('drain', resolve);
      this.#socket.once('close', resolve);
    });
  }

  #fail(error: Error, done: () => void): void {
    this.#error ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#error);
    this.#socket.destroy();
    done();
  }

  /** Sends one encoded list of operations, in pieces; resolves with the body of its RESULTS. */
  send(...pieces: readonly Uint8Array[]): Promise<Buffer> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting.push({ resolve, reject });
    this.#id = (this.#id + 1) >>> 0;
    const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    encodeFrameHeader(header, FRAME.PERFORM, this.#id, bytes);
    this.#socket.cork(); // one writev(2)
    this.#socket.write(header);
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
    return promise;
  }

  /** Ends it at once, whatever it waits for: a file system of a user may never answer. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Ends the process by closing its socket, and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.end();
    this.#socket.destroy();
    await this.#ended;
  }
}

/** Body of RESULTS → results; throws an OpError for the operation that failed. */
export function decodeResults(body: Buffer): readonly OpResult[] {
  const decoder = new Decoder(body);
  const failed = decoder.u32();
  const results = decoder.results();
  if (failed === 0) return results;
  const last = results.at(-1);
  if (last === undefined) throw new EngineError('internal', 'the C program could not read a plan');
  throw new OpError(last, results);
}

/** Started by the first thing it is asked to do. */
export class NativeAgent implements Agent {
  readonly #path: string;
  #process: NativeProcess | undefined;

  constructor(nativePath: string) {
    this.#path = nativePath;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async perform(ops: readonly Op[]): Promise<readonly OpResult[]> {
    if (this.#process === undefined || !this.#process.alive) {
      this.#process = new NativeProcess(this.#path, ['agent']);
    }
    return checkResults(decodeResults(await this.#process.send(encodePerform(ops))));
  }

  async monitor(directory: string, makesNetwork = false): Promise<number> {
    const network = makesNetwork ? 1 : 0;
    const results = await this.perform([{ op: 'monitor', directory, network }]);
    return results[0]?.output.readUInt32LE(0) ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.[Symbol.asyncDispose]();
  }
}
