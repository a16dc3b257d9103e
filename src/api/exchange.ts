// One request and its answer, as handlers see it. Everything a handler sends goes through these
// functions, so that headers, the trailing newline of Go's encoder and back-pressure are the same
// everywhere.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ApiDeps } from './deps.ts';
import { endAnswer } from './drain.ts';
import type { Query } from './query.ts';

export type Exchange = {
  readonly deps: ApiDeps;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Set when the client asked for `Upgrade`: the connection after the request's body. */
  readonly upgrade: { readonly socket: Duplex; readonly head: Buffer } | undefined;
  /** What the route's pattern captured, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** "1.51"; what the client's path says, or ours. */
  readonly version: string;
  /** Aborted when the client goes before its answer is complete. */
  readonly signal: AbortSignal;
  /** Aborts it, for a connection that is no longer the response's. */
  readonly abandon: () => void;
  /** Connections that were taken over, ended by close(). */
  readonly hijacked: Set<Duplex>;
};

export type Handler = (exchange: Exchange) => Promise<void> | void;

export function sendJson(exchange: Exchange, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  exchange.response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
  });
  endAnswer(exchange, body);
}

export function sendEmpty(exchange: Exchange, status: number): void {
  const headers = status === 204 || status === 304 ? {} : { 'Content-Length': 0 };
  exchange.response.writeHead(status, headers);
  endAnswer(exchange);
}

/** Sends the head at once; the body follows by sendChunk. Docker's clients wait for this head. */
export function openStream(exchange: Exchange, contentType: string): void {
  exchange.response.writeHead(200, { 'Content-Type': contentType });
  exchange.response.flushHeaders();
}

/** Sends a source to its end, or until the client goes: then the source is closed at once. */
export async function sendAll(
  exchange: Exchange,
  chunks: AsyncIterable<string | Uint8Array>,
): Promise<void> {
  for await (const chunk of chunks) {
    await sendChunk(exchange, chunk);
    // Leaving the loop closes what the source holds open; reading on would only burn time.
    if (exchange.signal.aborted) return;
  }
}

/** Resolves when the client can take more, or is gone. */
export function sendChunk(exchange: Exchange, chunk: string | Uint8Array): Promise<void> | void {
  const { response, signal } = exchange;
  if (signal.aborted || response.destroyed || response.write(chunk)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('drain', resolve);
  response.once('close', resolve);
  return promise.finally(() => {
    response.off('drain', resolve);
    response.off('close', resolve);
  });
}

export function closeStream(exchange: Exchange): void {
  endAnswer(exchange);
}
