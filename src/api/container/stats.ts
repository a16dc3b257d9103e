// GET /containers/{id}/stats: one JSON object a line, or one object.
import { EngineError } from '#base/error.ts';
import type { StatsFrame } from '#container/stats.ts';
import { olderThan } from '#wire/version.ts';
import { closeStream, type Exchange, openStream, sendChunk, sendJson } from '../exchange.ts';
import { ref } from './lifecycle.ts';
import { renderStats } from './render-stats.ts';

export async function getStats(exchange: Exchange): Promise<void> {
  const { deps, params, query, signal, version } = exchange;
  const stream = query.bool('stream', true);
  const oneShot = !olderThan(version, '1.41') && query.bool('one-shot');
  if (stream && oneShot) {
    throw new EngineError('invalid_argument', 'cannot have stream=true and one-shot=true');
  }
  if (stream) return streamStats(exchange);
  const frame = await deps.containers.statsOnce(ref(params), { oneShot }, signal);
  // Removed between two samples.
  if (frame === undefined) throw new EngineError('not_found', `No such container: ${ref(params)}`);
  sendJson(exchange, 200, renderStats(frame, deps.facts.memoryBytes));
}

/** A client that is slow misses samples, they are never piled up. */
async function streamStats(exchange: Exchange): Promise<void> {
  const { deps, params, signal } = exchange;
  let opened = false;
  let full = false;
  const open = (): void => {
    if (!opened) openStream(exchange, 'application/json');
    opened = true;
  };
  const tell = (frame: StatsFrame): void => {
    open();
    if (full) return;
    const line = `${JSON.stringify(renderStats(frame, deps.facts.memoryBytes))}\n`;
    const drained = sendChunk(exchange, line);
    if (drained === undefined) return;
    full = true;
    void drained.finally(() => {
      full = false;
    });
  };
  const ended = deps.containers.watchStats(ref(params), signal, tell);
  // Docker's clients wait for the head, and the first frame may be that of the next second.
  open();
  await ended;
  closeStream(exchange);
}
