// Filters of the event stream. Values of one key are alternatives, keys must all match; an unknown
// key is refused, as Docker does (daemon/events/filter.go behaves so).
import { EngineError } from '#base/error.ts';
import type { EngineEvent } from './event.ts';

export type Filters = ReadonlyMap<string, readonly string[]>;

type Test = (event: EngineEvent, value: string) => boolean;

const TESTS: Readonly<Record<string, Test>> = {
  type: (event, value) => event.type === value,
  scope: (event, value) => event.scope === value,
  // "exec_create" asks for "exec_create: sh", "health_status" for "health_status: healthy".
  event: (event, value) => event.action === value || event.action.startsWith(`${value}:`),
  label: (event, value) => matchLabel(event.actor.attributes, value),
  image: matchImage,
  container: named('container'),
  network: named('network'),
  volume: named('volume'),
  daemon: named('daemon'),
  plugin: () => false,
  service: () => false,
  node: () => false,
  secret: () => false,
  config: () => false,
};

/** Checks the keys once; the answer tells whether an event is wanted. */
export function compileFilters(filters: Filters): (event: EngineEvent) => boolean {
  const tests: ((event: EngineEvent) => boolean)[] = [];
  for (const [key, values] of filters) {
    const test = Object.hasOwn(TESTS, key) ? TESTS[key] : undefined;
    if (test === undefined) throw new EngineError('invalid_argument', `invalid filter '${key}'`);
    if (values.length === 0) continue;
    // Docker wants every label, but any of the values of another key.
    tests.push((event) =>
      key === 'label'
        ? values.every((value) => test(event, value))
        : values.some((value) => test(event, value)),
    );
  }
  return (event) => tests.every((test) => test(event));
}

function named(type: EngineEvent['type']): Test {
  return (event, value) => {
    if (event.type !== type || value === '') return false;
    const wanted = value.replace(/^\//, '');
    return event.actor.id.startsWith(wanted) || event.actor.attributes['name'] === wanted;
  };
}

function matchImage(event: EngineEvent, value: string): boolean {
  const names =
    event.type === 'image'
      ? [event.actor.id, event.actor.attributes['name']]
      : [event.actor.attributes['image']];
  return names.some((name) => name !== undefined && (name === value || untagged(name) === value));
}

function untagged(name: string): string {
  const digest = name.indexOf('@');
  const plain = digest === -1 ? name : name.slice(0, digest);
  const colon = plain.lastIndexOf(':');
  return colon > plain.lastIndexOf('/') ? plain.slice(0, colon) : plain;
}

function matchLabel(attributes: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  const key = at === -1 ? wanted : wanted.slice(0, at);
  if (!Object.hasOwn(attributes, key)) return false;
  return at === -1 || attributes[key] === wanted.slice(at + 1);
}
