// GET /containers/{id}/stats: one JSON object a line, or one object.
import { EngineError } from '#base/error.ts';
import { olderThan } from '#wire/version.ts';
import { closeStream, type Exchange, openStream, sendAll, sendJson } from '../exchange.ts';
import { ref } from './lifecycle.ts';
import { renderStats } from './render-stats.ts';

export async function getStats(exchange: Exchange): Promise<void> {
  const { deps, params, query, signal, version } = exchange;
  const stream = query.bool('stream', true);
  const oneShot = !olderThan(version, '1.41') && query.bool('one-shot');
  const frames = deps.containers.stats(ref(params), { stream, oneShot }, signal);
  const { memoryBytes } = deps.facts;
  if (!stream) {
    for await (const frame of frames) {
      return sendJson(exchange, 200, renderStats(frame, memoryBytes));
    }
    // Removed between two samples.
    throw new EngineError('not_found', `No such container: ${ref(params)}`);
  }
  openStream(exchange, 'application/json');
  await sendAll(exchange, linesOf(frames, memoryBytes));
  closeStream(exchange);
}

async function* linesOf(
  frames: ReturnType<Exchange['deps']['containers']['stats']>,
  memoryBytes: number,
): AsyncGenerator<string> {
  for await (const frame of frames) yield `${JSON.stringify(renderStats(frame, memoryBytes))}\n`;
}
