// POST /containers/{id}/attach: the connection becomes the container's streams. The session is open
// before the client hears of it, so that what a start right after prints is not lost.
import { bridge, hijack } from '../hijack.ts';
import type { Exchange } from '../exchange.ts';
import { attachWish } from './attach-wish.ts';
import { ref } from './lifecycle.ts';

export async function attachContainer(exchange: Exchange): Promise<void> {
  const { deps, params, query, signal } = exchange;
  const wish = attachWish(query);
  const session = await deps.containers.attach(ref(params), wish, signal);
  const hijacked = await hijack(exchange, session.tty);
  await bridge(hijacked, session.stream, { stdin: wish.stdin && wish.stream });
}
