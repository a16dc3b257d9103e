// /events: one JSON object a line, the head at once, until the client goes or `until` is reached.
import { EngineError } from '#base/error.ts';
import type { EngineEvent } from '#event/event.ts';
import { closeStream, type Exchange, openStream, sendAll } from '../exchange.ts';
import { parseFilters } from '../filters.ts';
import { rawInteger } from '../json.ts';

export async function getEvents(exchange: Exchange): Promise<void> {
  const { query, deps, signal } = exchange;
  const since = query.time('since');
  const until = query.time('until');
  if (since !== undefined && until !== undefined && until < since) {
    throw new EngineError('invalid_argument', '`since` time cannot be after `until` time');
  }
  const filters = parseFilters(query.text('filters'));
  // Subscribed before the head goes out: a client that has the head misses nothing after it.
  const events = deps.events.subscribe({ since, until, filters }, signal);
  openStream(exchange, 'application/json');
  await sendAll(exchange, linesOf(events));
  closeStream(exchange);
}

async function* linesOf(events: AsyncIterable<EngineEvent>): AsyncGenerator<string> {
  for await (const event of events) yield `${eventLine(event)}\n`;
}

export function eventLine(event: EngineEvent): string {
  const { type, action, actor, time } = event;
  // The flat fields are older than Type and Action; they went away in API 1.52.
  const legacy =
    type === 'container' || type === 'image'
      ? {
          status: action,
          id: actor.id,
          ...(actor.attributes['image'] === undefined || type === 'image'
            ? {}
            : { from: actor.attributes['image'] }),
        }
      : {};
  return JSON.stringify({
    ...legacy,
    Type: type,
    Action: action,
    Actor: { ID: actor.id, Attributes: actor.attributes },
    scope: event.scope,
    time: Number(time / 1_000_000_000n),
    timeNano: rawInteger(time),
  });
}
