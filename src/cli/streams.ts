// Joins our stdin, stdout and stderr to a hijacked connection, with back pressure both ways.
// End of our stdin half-closes the connection; the end of the connection ends the session.
import type { Readable, Writable } from 'node:stream';
import { EngineError, messageOf } from '#base/error.ts';
import type { Hijacked } from '#client/client.ts';
import { Demux } from '#client/demux.ts';
import { DetachWatch } from './terminal.ts';

export interface JoinOptions {
  /** A terminal's stream is raw; without one it is framed. */
  readonly tty: boolean;
  readonly stdin: Readable | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Given for a terminal: the bytes of the detach keys. */
  readonly detachKeys?: readonly number[];
}

export type JoinEnd = 'closed' | 'detached';

/** Resolves when all output has been written, or when the user detached. */
export function joinStreams(connection: Hijacked, options: JoinOptions): Promise<JoinEnd> {
  const { socket } = connection;
  const { promise, resolve, reject } = Promise.withResolvers<JoinEnd>();
  const output = new Output(options, socket);
  const finish = (end: JoinEnd): void => {
    stopInput();
    socket.destroy();
    resolve(end);
  };
  const stopInput = options.stdin === undefined ? () => {} : startInput(socket, options, finish);
  socket.on('data', (chunk: Buffer) => {
    try {
      output.write(chunk);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  socket.on('end', () => {
    try {
      output.end();
      finish('closed');
    } catch (error) {
      stopInput();
      reject(error);
    }
  });
  socket.on('error', (error) => {
    stopInput();
    const lost = `the connection to the daemon was lost: ${messageOf(error)}`;
    reject(error instanceof EngineError ? error : new EngineError('unavailable', lost));
  });
  socket.on('close', () => finish('closed'));
  socket.resume();
  return promise;
}

/** Copies a reply's body, framed or raw, to our own outputs. */
export async function copyOutput(body: Readable, options: JoinOptions): Promise<void> {
  const output = new Output(options, body);
  body.on('data', (chunk: Buffer) => {
    try {
      output.write(chunk);
    } catch (error) {
      body.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
  await new Promise<void>((resolve, reject) => {
    body.once('end', resolve);
    body.once('error', reject);
    body.once('close', resolve);
  });
  output.end();
}

class Output {
  readonly #options: JoinOptions;
  readonly #source: Readable;
  readonly #demux: Demux | undefined;

  constructor(options: JoinOptions, source: Readable) {
    this.#options = options;
    this.#source = source;
    const { stdout, stderr } = options;
    if (!options.tty) {
      this.#demux = new Demux((stream, piece) => {
        this.#put(stream === 'stderr' ? stderr : stdout, piece);
      });
    }
  }

  write(chunk: Buffer): void {
    if (this.#demux === undefined) this.#put(this.#options.stdout, chunk);
    else this.#demux.feed(chunk);
  }

  end(): void {
    this.#demux?.end();
  }

  #put(sink: Writable, piece: Buffer): void {
    if (sink.write(piece)) return;
    this.#source.pause();
    sink.once('drain', () => this.#source.resume());
  }
}

function startInput(
  socket: Hijacked['socket'],
  options: JoinOptions,
  finish: (end: JoinEnd) => void,
): () => void {
  const { stdin, detachKeys } = options;
  if (stdin === undefined) return () => {};
  const watch = detachKeys === undefined ? undefined : new DetachWatch(detachKeys);
  const onData = (chunk: Buffer): void => {
    const { bytes, detached } = watch?.feed(chunk) ?? { bytes: chunk, detached: false };
    if (bytes.length > 0 && socket.writable && !socket.write(bytes)) {
      stdin.pause();
      socket.once('drain', () => stdin.resume());
    }
    if (detached) finish('detached');
  };
  const onEnd = (): void => {
    socket.end();
  };
  stdin.on('data', onData);
  stdin.once('end', onEnd);
  stdin.once('error', onEnd);
  return () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
    stdin.off('error', onEnd);
    // A pipe that still has a writer must not keep the process alive.
    stdin.pause();
    if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  };
}
