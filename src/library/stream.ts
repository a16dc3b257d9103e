// Output of containers as async iterators. Nothing is read ahead of who iterates, so a slow reader
// slows the writer, and leaving the loop closes the connection.
import type { Readable } from 'node:stream';
import { Demux } from '#client/demux.ts';
import { engineError } from './error.ts';

/** A line longer than this comes in pieces. */
export const LINE_BYTES_MAX = 1024 * 1024;

export type OutputStream = 'stdout' | 'stderr';

export type OutputChunk = {
  readonly stream: OutputStream;
  readonly data: Buffer;
};

export type LogLine = {
  readonly stream: OutputStream;
  /** Without its newline. */
  readonly text: string;
  /** With `timestamps` alone: when the container wrote it, with nanoseconds. */
  readonly time?: string;
};

/** `framed`: without a terminal stdout and stderr come in frames; with one all is stdout. */
export async function* readOutput(
  source: Readable,
  framed: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<OutputChunk, void, undefined> {
  let pieces: OutputChunk[] = [];
  const demux = framed
    ? new Demux((stream, data) => {
        pieces.push({ stream, data });
      })
    : undefined;
  try {
    for await (const chunk of source) {
      if (demux === undefined) yield { stream: 'stdout', data: chunk as Buffer };
      else {
        demux.feed(chunk as Buffer);
        yield* pieces;
        pieces = [];
      }
    }
    demux?.end();
  } catch (error) {
    throw engineError(error, signal);
  }
  if (signal?.aborted === true) throw engineError(signal.reason, signal);
}

export async function* readLogLines(
  output: AsyncIterable<OutputChunk>,
  timestamps: boolean,
): AsyncGenerator<LogLine, void, undefined> {
  const held: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  const sizes: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  const take = (stream: OutputStream): LogLine => {
    const text = Buffer.concat(held[stream]).toString();
    held[stream] = [];
    sizes[stream] = 0;
    return logLine(stream, text.replace(/\r$/, ''), timestamps);
  };
  const hold = (stream: OutputStream, piece: Buffer): void => {
    held[stream].push(piece);
    sizes[stream] += piece.length;
  };
  for await (const { stream, data } of output) {
    let from = 0;
    for (let to = data.indexOf(10); to >= 0; to = data.indexOf(10, from)) {
      hold(stream, data.subarray(from, to));
      yield take(stream);
      from = to + 1;
    }
    if (from < data.length) hold(stream, data.subarray(from));
    if (sizes[stream] > LINE_BYTES_MAX) yield take(stream);
  }
  if (sizes.stdout > 0) yield take('stdout');
  if (sizes.stderr > 0) yield take('stderr');
}

function logLine(stream: OutputStream, text: string, timestamps: boolean): LogLine {
  const [, time, rest] = (timestamps && /^(\d{4}-\S+) (.*)$/s.exec(text)) || [];
  return time === undefined ? { stream, text } : { stream, text: rest ?? '', time };
}

/** Both streams whole; `limit` in bytes for both together. */
export async function collect(
  output: AsyncIterable<OutputChunk>,
  limit: number,
  tooMuch: (limit: number) => Error,
): Promise<{ stdout: string; stderr: string }> {
  const pieces: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  let size = 0;
  for await (const { stream, data } of output) {
    size += data.length;
    if (size > limit) throw tooMuch(limit);
    pieces[stream].push(data);
  }
  return {
    stdout: Buffer.concat(pieces.stdout).toString(),
    stderr: Buffer.concat(pieces.stderr).toString(),
  };
}
