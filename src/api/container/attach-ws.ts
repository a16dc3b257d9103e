// GET /containers/{id}/attach/ws: the container's streams over a web socket (RFC 6455), for pages.
// Messages are bytes without frames of their own; the client's are standard input. The package is
// loaded with the first of them, as most daemons never see one.
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { EngineError } from '#base/error.ts';
import { olderThan } from '#wire/version.ts';
import type { Exchange } from '../exchange.ts';
import { own } from '../hijack.ts';
import { attachWish } from './attach-wish.ts';
import { ref } from './lifecycle.ts';
import { unframe } from './unframe.ts';

/** A message with more standard input than this ends the connection. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** Until then messages were text. */
const BINARY_SINCE = '1.28';

export async function attachWebSocket(exchange: Exchange): Promise<void> {
  const { deps, params, query, request, response, signal, upgrade } = exchange;
  if (upgrade === undefined || request.headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new EngineError('invalid_argument', 'not websocket protocol');
  }
  const wish = attachWish(query);
  const { createWebSocketStream, WebSocketServer } = await import('ws');
  const { stream, tty } = await deps.containers.attach(ref(params), wish, signal);
  const { head, socket } = upgrade;
  response.detachSocket(socket as Socket);
  own(exchange, socket);
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MESSAGE_BYTES_MAX,
  });
  server.handleUpgrade(request, socket, head, (client) => {
    const output: Readable = tty ? stream : stream.pipe(unframe());
    // Text of a message is whole characters; Node holds those that are cut.
    if (olderThan(exchange.version, BINARY_SINCE)) output.setEncoding('utf8');
    const peer = createWebSocketStream(client, { decodeStrings: false });
    join(peer, output, stream, wish.stdin && wish.stream);
  });
}

function join(peer: Duplex, output: Readable, stream: Duplex, stdin: boolean): void {
  output.pipe(peer);
  if (stdin) peer.pipe(stream);
  else peer.resume();
  // Its end is a closing message; nothing is left to say after it.
  peer.once('close', () => stream.destroy());
  peer.on('error', () => stream.destroy());
  stream.on('error', () => peer.end());
  stream.once('close', () => peer.end());
}
