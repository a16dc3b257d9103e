// GET /containers/{id}/export.
import { closeStream, type Exchange, openStream, sendAll } from '../exchange.ts';
import { ref } from './lifecycle.ts';

export async function exportContainer(exchange: Exchange): Promise<void> {
  const chunks = await exchange.deps.containers.export(ref(exchange.params));
  openStream(exchange, 'application/octet-stream');
  await sendAll(exchange, chunks);
  closeStream(exchange);
}
