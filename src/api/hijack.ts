// Taking the connection over for attach and exec, in Docker's two styles: `Upgrade: tcp` is
// answered 101 UPGRADED, everybody else gets 200 and raw bytes until the end. After that the
// connection is two byte streams: the client may end its half (stdin's EOF) and still read output.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { isEngineError } from '#base/error.ts';
import { olderThan } from '#wire/version.ts';
import type { Exchange } from './exchange.ts';

/** How long a client may take to close after our last byte. */
export const LINGER_MS_MAX = 10_000;
/** How often a client that sends no more is asked whether it still is there. */
const PRESENCE_MS = 5_000;
const NOTHING = Buffer.alloc(0);

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

/** `input` and `output` are the two halves of one connection. */
export type Hijacked = { readonly input: Readable; readonly output: Duplex };

export async function hijack(exchange: Exchange, tty: boolean): Promise<Hijacked> {
  const { request, response, upgrade } = exchange;
  const framed = !tty && upgrade !== undefined && !olderThan(exchange.version, '1.42');
  const type = framed ? MULTIPLEXED_STREAM : RAW_STREAM;
  if (upgrade !== undefined) {
    await drainBody(exchange);
    const { socket, head } = upgrade;
    response.detachSocket(socket as Socket);
    own(exchange, socket);
    if (head.length > 0) socket.unshift(head);
    const lines = ['HTTP/1.1 101 UPGRADED', 'Connection: Upgrade', 'Upgrade: tcp'];
    socket.write(headText(lines, type, response));
    return { input: socket, output: socket };
  }
  const socket = request.socket;
  const head = headText(['HTTP/1.1 200 OK', 'Connection: close'], type, response);
  if (request.headers['transfer-encoding'] !== undefined && !request.readableEnded) {
    // The client streams stdin as the request's own body (docker-modem without hijack).
    response.detachSocket(socket);
    own(exchange, socket);
    socket.write(head);
    return { input: request, output: socket };
  }
  await drainBody(exchange);
  response.detachSocket(socket);
  detachParser(socket);
  own(exchange, socket);
  socket.write(head);
  return { input: socket, output: socket };
}

/** Joins a hijacked connection and a session until both directions are over. */
export async function bridge(
  hijacked: Hijacked,
  stream: Duplex,
  options: { readonly stdin: boolean },
): Promise<void> {
  const { input, output } = hijacked;
  if (output.closed) {
    stream.destroy();
    return;
  }
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  // pipe() pauses the source while the target is full: back-pressure reaches the client and the
  // container's pipe alike.
  stream.pipe(output);
  if (options.stdin) input.pipe(stream);
  else input.resume();
  output.once('close', () => {
    stream.destroy();
    resolve();
  });
  output.once('finish', () => {
    input.unpipe(stream);
    // Closing with unread bytes would reset the connection under the client's last read (unix(7)
    // gives ECONNRESET), so what still comes is read and dropped until the client closes.
    input.resume();
    const timer = setTimeout(() => output.destroy(), LINGER_MS_MAX);
    output.once('close', () => clearTimeout(timer));
    if (input.readableEnded || input.destroyed) output.destroy();
    else input.once('end', () => output.destroy());
  });
  input.once('end', () => watchPresence(output));
  stream.on('error', () => output.end());
  stream.once('close', () => output.end());
  input.on('error', () => output.destroy());
  await finished;
}

/**
 * The end of its input is all that is heard of a client that goes, and the same of one that stays
 * to read. On a unix socket a write of nothing tells them apart: it fails when the other side is
 * closed (EPIPE). Else each that left a silent program would be held until that writes.
 */
function watchPresence(output: Duplex): void {
  const ask = (): void => {
    if (output.writable && output.writableLength === 0) output.write(NOTHING);
  };
  ask();
  const timer = setInterval(ask, PRESENCE_MS).unref();
  output.once('close', () => clearInterval(timer));
}

/** A frame of the multiplexed format: stream 1 = stdout, 2 = stderr, 3 = an error of the daemon. */
export function frame(stream: 1 | 2 | 3, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

/** Bytes of the body that nobody wants must not be taken for stdin. */
async function drainBody({ request }: Exchange): Promise<void> {
  if (request.readableEnded || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  request.once('end', resolve);
  request.once('close', resolve);
  request.resume();
  await promise;
}

/** From here on the connection is not HTTP's; it ends with the server. */
export function own(exchange: Exchange, socket: Duplex): void {
  // The client went before it was ours: nobody will say so again.
  if (socket.closed) return exchange.abandon();
  exchange.hijacked.add(socket);
  socket.once('close', () => {
    exchange.hijacked.delete(socket);
    exchange.abandon();
  });
  socket.on('error', (error) => {
    if (!isEngineError(error)) exchange.deps.log.debug('attached client went away', { error });
    socket.destroy();
  });
}

function headText(lines: string[], contentType: string, response: ServerResponse): string {
  const headers = Object.entries(response.getHeaders()).map(([name, value]) => `${name}: ${value}`);
  return [...lines, `Content-Type: ${contentType}`, ...headers, '', ''].join('\r\n');
}

type Parser = { unconsume?: () => void; remove?: () => void };

/**
 * Node has no way to ask for this (reference/libraries.md, fact 1): without it the client's stdin
 * is parsed as its next request. The listeners are those of http's connectionListener.
 */
function detachParser(socket: Socket): void {
  const holder = socket as Socket & { parser?: Parser | null };
  for (const event of ['data', 'end', 'close', 'drain', 'error', 'timeout', 'resume', 'pause']) {
    socket.removeAllListeners(event);
  }
  holder.parser?.unconsume?.();
  holder.parser?.remove?.();
  holder.parser = null;
  // It flows since the server was its reader: what comes before the session is there would be lost.
  socket.pause();
  socket.setTimeout(0);
  socket.allowHalfOpen = true;
}
