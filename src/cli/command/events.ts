// events: the engine's event stream, a line for each.
import { readLines } from '#client/client.ts';
import type { EventMessage } from '#wire/event.ts';
import type { Context } from '../command.ts';
import { timestamp } from '../duration.ts';
import { formatOf, tryFormat } from '../format/one.ts';
import { shaped } from '../format/shape.ts';
import { filterText } from '../prune.ts';

const REFUSAL = 'Error parsing format: ';
const EXAMPLE: EventMessage = {
  Type: '',
  Action: '',
  Actor: { ID: '', Attributes: {} },
  scope: '',
  time: 0,
  timeNano: 0,
};

export async function run({ flags, client }: Context): Promise<number> {
  const format = flags.string('format');
  const template = formatOf(format, REFUSAL);
  if (template !== undefined) tryFormat(template, shaped(EXAMPLE), REFUSAL);
  const query = {
    since: timestamp(flags.string('since')),
    until: timestamp(flags.string('until')),
    filters: filterText(flags.filters('filter')),
  };
  const reply = await client.call('GET', '/events', { query });
  for await (const line of readLines(reply.body)) {
    if (format === 'json') process.stdout.write(`${line.trim()}\n`);
    else {
      const event = JSON.parse(line) as EventMessage;
      const text = template === undefined ? eventText(event, line) : template(shaped(event));
      process.stdout.write(`${text}\n`);
    }
  }
  return 0;
}

/** "2026-01-02T03:04:05.000000000Z container start ID (image=busybox, name=x)" */
export function eventText(event: EventMessage, line: string): string {
  // The number has more digits than a JavaScript number holds: taken from the text.
  const nano = /"timeNano":\s*(\d{10,})/.exec(line)?.[1] ?? `${event.time}000000000`;
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const tail = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`;
  return `${localTime(nano)} ${event.Type} ${event.Action} ${event.Actor.ID}${tail}`;
}

function localTime(nano: string): string {
  const seconds = Number(nano.slice(0, -9));
  const date = new Date(seconds * 1000);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const two = (value: number): string => String(Math.trunc(Math.abs(value))).padStart(2, '0');
  const sign = offset < 0 ? '-' : '+';
  const zone = offset === 0 ? 'Z' : `${sign}${two(offset / 60)}:${two(offset % 60)}`;
  return `${local}.${nano.slice(-9)}${zone}`;
}
