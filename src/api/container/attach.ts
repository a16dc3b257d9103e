// POST /containers/{id}/attach: the connection becomes the container's streams. The session is open
// before the client hears of it, so that what a start right after prints is not lost.
import { bridge, hijack } from '../hijack.ts';
import type { Exchange } from '../exchange.ts';
import { ref } from './lifecycle.ts';

export async function attachContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query, signal } = exchange;
  const wish = {
    stdin: query.bool('stdin'),
    stdout: query.bool('stdout'),
    stderr: query.bool('stderr'),
    logs: query.bool('logs'),
    stream: query.bool('stream'),
    detachKeys: query.text('detachKeys'),
  };
  const session = await deps.containers.attach(ref(params), wish, signal);
  const hijacked = await hijack(exchange, session.tty);
  await bridge(hijacked, session.stream, { stdin: wish.stdin && wish.stream });
}
