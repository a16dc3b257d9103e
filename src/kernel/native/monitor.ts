// A control connection to one monitor, and the streams to its processes.
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError, errnoOf } from '#base/error.ts';
import {
  Decoder,
  Encoder,
  encodeExec,
  encodeFrame,
  encodeLaunch,
  errnoName,
  FRAME,
  OpError,
  parseExitFile,
  STREAM_BIT,
} from './encode.ts';
import { type Frame, FrameReader } from './frames.ts';
import type { ExecSession, Monitor, MonitorState, Ready, Streams } from './native.ts';
import type { ExecPlan, Exit, LaunchPlan, OpResult } from './op.ts';

/** The one request of a connection for a stream; 0 is what the monitor tells unasked. */
const STREAM_REQUEST = 1;

type ExitFacts = Exit & { readonly teardown: readonly OpResult[] };
type Waiting<T> = {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
};

/**
 * Connects to `<directory>/monitor.sock`; rejects with the system's error (ENOENT, ECONNREFUSED).
 */
export async function connectMonitor(directory: string): Promise<NativeMonitor> {
  return new NativeMonitor(await open(directory), directory);
}

function open(directory: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ path: `${directory}/monitor.sock`, allowHalfOpen: true });
  socket.once('error', reject);
  socket.once('connect', () => {
    socket.off('error', reject);
    resolve(socket);
  });
  return promise;
}

function lostError(cause?: unknown): EngineError {
  return new EngineError('internal', 'the monitor of the container went away', { cause });
}

export class NativeMonitor implements Monitor {
  readonly #socket: Socket;
  #directory: string;
  readonly #waiting = new Map<number, Waiting<Frame>>();
  readonly #execs = new Map<string, Waiting<Exit>>();
  readonly #exited = Promise.withResolvers<ExitFacts>();
  readonly #lost = Promise.withResolvers<void>();
  #over = false;
  #id = 0;

  constructor(socket: Socket, directory: string) {
    this.#socket = socket;
    this.#directory = directory;
    new FrameReader(socket, (frame) => this.#onFrame(frame));
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#onClose());
  }

  get exited(): Promise<ExitFacts> {
    return this.#exited.promise;
  }

  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  get connected(): boolean {
    return !this.#socket.destroyed;
  }

  movedTo(directory: string): void {
    this.#directory = directory;
  }

  #onClose(): void {
    const exit = this.#over ? undefined : this.#readExitFile();
    if (exit !== undefined) {
      this.#onExit(exit);
    }
    for (const waiting of this.#waiting.values()) waiting.reject(this.#goneError());
    this.#waiting.clear();
    for (const exec of this.#execs.values()) exec.reject(lostError());
    this.#execs.clear();
    if (!this.#over) this.#lost.resolve();
  }

  /** The end of the container is that of all in it. */
  #onExit(exit: ExitFacts): void {
    this.#over = true;
    this.#exited.resolve(exit);
    for (const exec of this.#execs.values()) exec.resolve(exit);
    this.#execs.clear();
  }

  /**
   * A request that meets a closed socket (EPIPE) makes Node drop what was not read yet, and EXITED
   * may be in it. The monitor has written the same to its exit file before.
   */
  #readExitFile(): ExitFacts | undefined {
    try {
      return parseExitFile(readFileSync(`${this.#directory}/exit`, 'utf8'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * After EXITED the monitor ends too: a request that crossed it finds no process, as ESRCH says.
   */
  #goneError(cause?: unknown): EngineError {
    return this.#over || this.#readExitFile() !== undefined ? notRunning() : lostError(cause);
  }

  #onFrame(frame: Frame): void {
    if (frame.kind === FRAME.EXITED) {
      const decoder = new Decoder(frame.body);
      this.#onExit({ ...decoder.exit(), teardown: decoder.results() });
    } else if (frame.kind === FRAME.EXEC_EXITED) {
      const decoder = new Decoder(frame.body);
      const id = decoder.string();
      this.#execs.get(id)?.resolve(decoder.exit());
      this.#execs.delete(id);
    } else {
      const waiting = this.#waiting.get(frame.id);
      this.#waiting.delete(frame.id);
      waiting?.resolve(frame);
    }
  }

  #ask(kind: number, body: Uint8Array): Promise<Frame> {
    if (this.#socket.destroyed) return Promise.reject(this.#goneError());
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    this.#id = (this.#id % 0x7fff_ffff) + 1;
    this.#waiting.set(this.#id, { resolve, reject });
    this.#socket.write(encodeFrame(kind, this.#id, body));
    return promise;
  }

  async launch(plan: LaunchPlan): Promise<Ready> {
    const frame = await this.#ask(FRAME.LAUNCH, encodeLaunch(plan));
    if (frame.kind !== FRAME.READY) {
      // The monitor undoes what it made and says EXITED when that is done.
      await Promise.race([this.exited, this.lost]);
      throw failure(frame);
    }
    return readyOf(frame);
  }

  async go(): Promise<readonly OpResult[]> {
    const frame = await this.#ask(FRAME.GO, new Uint8Array(0));
    if (frame.kind !== FRAME.STARTED) {
      await Promise.race([this.exited, this.lost]);
      throw failure(frame);
    }
    return readyOf(frame).results;
  }

  async state(): Promise<MonitorState> {
    const { body } = await this.#ask(FRAME.STATE, new Uint8Array(0));
    const decoder = new Decoder(body);
    const pid = decoder.u32();
    const started = decoder.u32() === 1;
    const ended = decoder.u32() === 1;
    const exit = decoder.exit();
    const execs = Array.from({ length: decoder.u32() }, () => ({
      id: decoder.string(),
      pid: decoder.u32(),
    }));
    return { pid, started, exit: ended ? exit : undefined, execs };
  }

  async signal(exec: string, signal: number): Promise<void> {
    expectOk(await this.#ask(FRAME.SIGNAL, new Encoder().string(exec).u32(signal).finish()));
  }

  async resize(
    exec: string,
    size: { readonly height: number; readonly width: number },
  ): Promise<void> {
    const body = new Encoder().string(exec).u32(size.height).u32(size.width).finish();
    expectOk(await this.#ask(FRAME.RESIZE, body));
  }

  async exec(id: string, plan: ExecPlan, wanted: Streams): Promise<ExecSession> {
    // On the control connection, so that the exit is told even if the stream's end comes first.
    // Not by way of `exited` and `lost`: those keep who waits for them as long as the container
    // runs.
    const { promise: exit, ...waiting } = Promise.withResolvers<Exit>();
    this.#execs.set(id, waiting);
    exit.catch(() => {});
    try {
      const body = encodeExec(id, plan, bits(wanted));
      const { socket, frame } = await this.#openStream(FRAME.EXEC, body);
      if (frame.kind === FRAME.STARTED) return { ...readyOf(frame), stream: socket, exit };
      socket.destroy();
      throw failure(frame);
    } catch (error) {
      this.#execs.delete(id);
      throw error;
    }
  }

  async attach(exec: string, wanted: Streams): Promise<Duplex> {
    const body = new Encoder().string(exec).u32(bits(wanted)).finish();
    const { socket, frame } = await this.#openStream(FRAME.ATTACH, body);
    if (frame.kind !== FRAME.OK) {
      socket.destroy();
      expectOk(frame);
    }
    return socket;
  }

  /** A connection of its own: one request, one answer, then raw bytes. */
  async #openStream(kind: number, body: Uint8Array): Promise<{ socket: Socket; frame: Frame }> {
    const socket = await open(this.#directory).catch((error: unknown) => {
      throw this.#goneError(error);
    });
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    const onClose = (): void => reject(this.#goneError());
    socket.once('close', onClose);
    // It is half-open: of a monitor that ends before it answers, this is all that comes.
    socket.once('end', onClose);
    socket.on('error', () => {});
    const reader = new FrameReader(socket, (frame) => {
      // Before it has read what this connection is for, the monitor tells it of others that end.
      if (frame.id !== STREAM_REQUEST) return;
      reader.release();
      resolve(frame);
    });
    socket.write(encodeFrame(kind, STREAM_REQUEST, body));
    try {
      const frame = await promise;
      return { socket, frame };
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      socket.off('close', onClose).off('end', onClose);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    this.#execs.clear(); // they go on, and nobody asks any more
    this.#socket.destroy();
  }
}

function bits(wanted: Streams): number {
  return (
    (wanted.stdin ? STREAM_BIT.stdin : 0) |
    (wanted.stdout ? STREAM_BIT.stdout : 0) |
    (wanted.stderr ? STREAM_BIT.stderr : 0)
  );
}

function readyOf(frame: Frame): Ready {
  const decoder = new Decoder(frame.body);
  return { pid: decoder.u32(), results: decoder.results() };
}

function failure(frame: Frame): Error {
  if (frame.kind === FRAME.REFUSED) return refusal(frame);
  const { results } = readyOf(frame);
  const last = results.at(-1);
  if (last !== undefined && last.errno !== 0) return new OpError(last, results);
  const after = last === undefined ? '' : ` after ${last.op}`;
  return new EngineError(
    'kernel_refused',
    `the process was killed while it was being set up${after}`,
  );
}

function notRunning(): EngineError {
  const facts = { errno: 'ESRCH' };
  return new EngineError('conflict', 'no such process is running', { facts });
}

function refusal(frame: Frame): Error {
  const name = errnoName(new Decoder(frame.body).u32());
  const code =
    name === 'ESRCH' || name === 'ENOTTY' || name === 'EEXIST' ? 'conflict' : 'kernel_refused';
  const said = name === 'ESRCH' ? 'no such process is running' : `the monitor refused: ${name}`;
  return new EngineError(code, said, { facts: { errno: name } });
}

function expectOk(frame: Frame): void {
  if (frame.kind !== FRAME.OK) throw refusal(frame);
}
