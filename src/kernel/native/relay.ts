// The relay of the embedded DNS (native/relay.c): a process that holds 127.0.0.11:53 inside
// containers' network namespaces and outlives the daemon. We find the one that runs, or start one.
import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { EngineError, errnoOf, isEngineError } from '#base/error.ts';
import { Decoder, Encoder, encodeFrame, errnoName, FRAME } from './encode.ts';
import { type Frame, FrameReader } from './frames.ts';

/** A query as it came, and how; the answer goes back the same way. undefined = no answer. */
export type QueryHandler = (
  sandbox: string,
  message: Buffer,
  tcp: boolean,
) => Promise<Uint8Array | undefined>;

const START_MS_MAX = 5_000;
const START_STEP_MS = 5;

export class Relay implements AsyncDisposable {
  readonly #path: string;
  readonly #nativePath: string;
  readonly #handle: QueryHandler;
  readonly #report: (error: unknown) => void;
  readonly #lost: () => void;
  readonly #waiting = new Map<
    number,
    { resolve(frame: Frame): void; reject(error: Error): void }
  >();
  #socket: Promise<Socket> | undefined;
  #released = false;
  #id = 0;

  constructor(options: {
    /** Where it listens; at most 107 bytes. */
    readonly path: string;
    readonly nativePath: string;
    readonly handle: QueryHandler;
    readonly report: (error: unknown) => void;
    /** The relay ended, and its sockets with it: what it held must be added again. */
    readonly lost: () => void;
  }) {
    this.#path = options.path;
    this.#nativePath = options.nativePath;
    this.#handle = options.handle;
    this.#report = options.report;
    this.#lost = options.lost;
  }

  /** Connects to a relay that a daemon before us left running; false when there is none. */
  async resume(): Promise<boolean> {
    try {
      this.#socket = Promise.resolve(this.#adopt(await open(this.#path)));
      return true;
    } catch {
      return false;
    }
  }

  /** Answers queries of the namespace at `namespacePath`, by the name `sandbox`. */
  async add(sandbox: string, namespacePath: string): Promise<void> {
    const body = new Encoder().string(sandbox).string(namespacePath).finish();
    const frame = await this.#ask(FRAME.RELAY_ADD, body);
    if (frame.kind !== FRAME.OK) {
      const errno = errnoName(new Decoder(frame.body).u32());
      throw new EngineError(
        'kernel_refused',
        `cannot listen on 127.0.0.11:53 in the container: ${errno}`,
        {
          facts: { sandbox, errno },
        },
      );
    }
  }

  /** Success also if there is none, and without starting a relay only to tell it so. */
  async remove(sandbox: string): Promise<void> {
    if (this.#socket === undefined && !(await this.resume())) return;
    await this.#ask(FRAME.RELAY_REMOVE, new Encoder().string(sandbox).finish());
  }

  /**
   * Sends one message to a server from inside the namespace of `sandbox`, and gives what came back;
   * undefined when nothing did.
   */
  async forward(
    sandbox: string,
    question: {
      readonly message: Uint8Array;
      readonly host: string;
      readonly port: number;
      readonly tcp: boolean;
      readonly timeoutMs: number;
    },
  ): Promise<Buffer | undefined> {
    const { host, port, tcp, timeoutMs, message } = question;
    const body = new Encoder()
      .string(sandbox)
      .u32(tcp ? 1 : 0)
      .string(host)
      .u32(port);
    const frame = await this.#ask(FRAME.RELAY_FORWARD, body.u32(timeoutMs).bytes(message).finish());
    const answer = new Decoder(frame.body).bytes();
    return answer.length === 0 ? undefined : Buffer.from(answer);
  }

  /** Nothing also where the relay is about to end, as one does that serves nobody. */
  async list(): Promise<readonly string[]> {
    if (this.#socket === undefined && !(await this.resume())) return [];
    try {
      const decoder = new Decoder((await this.#ask(FRAME.RELAY_LIST, new Uint8Array(0))).body);
      return Array.from({ length: decoder.u32() }, () => decoder.string());
    } catch (error) {
      if (isEngineError(error, 'unavailable')) return [];
      throw error;
    }
  }

  async #ask(kind: number, body: Uint8Array): Promise<Frame> {
    this.#socket ??= this.#start();
    const socket = await this.#socket;
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    this.#id = (this.#id % 0x7fff_ffff) + 1;
    this.#waiting.set(this.#id, { resolve, reject });
    socket.write(encodeFrame(kind, this.#id, body));
    return promise;
  }

  async #start(): Promise<Socket> {
    try {
      return this.#adopt(await open(this.#path));
    } catch {
      // None is running: the usual case for the first container with a network of its own.
    }
    const child = spawn(this.#nativePath, ['relay', this.#path], {
      stdio: 'ignore',
      detached: true,
      env: {},
    });
    child.on('error', this.#report);
    child.unref();
    for (let waited = 0; ; waited += START_STEP_MS) {
      try {
        return this.#adopt(await open(this.#path));
      } catch (error) {
        if (waited >= START_MS_MAX) {
          this.#socket = undefined;
          throw new EngineError(
            'internal',
            `the DNS relay does not answer: ${errnoOf(error) ?? ''}`,
            { cause: error },
          );
        }
        await new Promise((resolve) => setTimeout(resolve, START_STEP_MS));
      }
    }
  }

  #adopt(socket: Socket): Socket {
    new FrameReader(socket, (frame) => this.#onFrame(socket, frame));
    socket.on('error', () => {});
    socket.on('close', () => {
      const lost = new EngineError('unavailable', 'the DNS relay went away');
      for (const waiting of this.#waiting.values()) waiting.reject(lost);
      this.#waiting.clear();
      if (this.#released) return;
      this.#socket = undefined;
      this.#lost();
    });
    return socket;
  }

  #onFrame(socket: Socket, frame: Frame): void {
    if (frame.kind !== FRAME.RELAY_QUERY) {
      const waiting = this.#waiting.get(frame.id);
      this.#waiting.delete(frame.id);
      waiting?.resolve(frame);
      return;
    }
    const decoder = new Decoder(frame.body);
    const sandbox = decoder.string();
    const tcp = decoder.u32() === 1;
    this.#handle(sandbox, Buffer.from(decoder.bytes()), tcp)
      .catch((error: unknown) => {
        this.#report(error);
        return undefined;
      })
      .then((answer) => {
        const body = new Encoder().bytes(answer ?? new Uint8Array(0)).finish();
        if (!socket.destroyed) socket.write(encodeFrame(FRAME.RELAY_ANSWER, frame.id, body));
      });
  }

  /** Lets go of the relay, which goes on for the next daemon. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#released = true;
    const socket = await this.#socket;
    socket?.destroy();
  }
}

function open(path: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect(path);
  socket.once('error', reject);
  socket.once('connect', () => {
    socket.off('error', reject);
    resolve(socket);
  });
  return promise;
}
