// The rest of a request's body, when its answer is there before its end. Node leaves what a handler
// did not read on the connection: a client that sends all before it reads (docker-py) then waits
// for ever, and one that asked for "Connection: close" gets EPIPE instead of the reason. So the
// answer goes out at once, and the connection is freed when the body has been read, up to a limit.
import type { IncomingMessage } from 'node:http';
import type { Exchange } from './exchange.ts';

/**
 * Clients that look at the answer stop sending long before; the others send an image for nothing.
 */
export const DRAIN_BYTES_MAX = 1024 * 1024 * 1024;
export const DRAIN_MS_MAX = 10_000;

/** Ends an answer whose head is written, with its last bytes if there are any. */
export function endAnswer(exchange: Exchange, last?: Uint8Array): void {
  const { request, response } = exchange;
  if (!isUnread(exchange)) {
    response.end(last);
    return;
  }
  if (last === undefined) response.flushHeaders();
  else response.write(last);
  let bytes = 0;
  const stop = (): void => {
    clearTimeout(timer);
    request.off('data', count).off('end', finish).off('close', finish);
  };
  const finish = (): void => {
    stop();
    response.end();
  };
  const cut = (): void => {
    stop();
    response.destroy();
  };
  const count = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes > DRAIN_BYTES_MAX) cut();
  };
  const timer = setTimeout(cut, DRAIN_MS_MAX);
  request.on('data', count).once('end', finish).once('close', finish);
  request.resume();
}

/** After an upgrade the connection is not the request's any more. */
function isUnread({ request, upgrade }: Exchange): boolean {
  return !request.readableEnded && !request.destroyed && upgrade === undefined && hasBody(request);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
