import assert from 'node:assert/strict';
import { test } from 'node:test';
import { now } from '#base/clock.ts';
import { EVENT_HISTORY_MAX, EVENT_QUEUE_MAX, EventBus } from './bus.ts';
import type { EngineEvent } from './event.ts';

function container(id: string, action: 'create' | 'start' | 'die', labels = {}) {
  const attributes = { name: `n${id}`, image: 'busybox:latest', ...labels };
  return { type: 'container', action, actor: { id, attributes } } as const;
}

async function collect(events: AsyncIterable<EngineEvent>): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) seen.push(`${event.actor.id} ${event.action}`);
  return seen;
}

test('a subscriber sees what is published after it subscribed, in order', async () => {
  const bus = new EventBus();
  const stop = new AbortController();
  bus.publish(container('a', 'create'));
  const seen = collect(bus.subscribe({}, stop.signal));
  bus.publish(container('a', 'start'));
  bus.publish(container('a', 'die'));
  setTimeout(() => stop.abort(), 20);
  assert.deepEqual(await seen, ['a start', 'a die']);
  assert.equal(bus.listeners, 0);
});

test('since replays the kept events and until in the past ends the stream', async () => {
  const bus = new EventBus();
  for (let i = 0; i < EVENT_HISTORY_MAX + 10; i += 1) bus.publish(container(String(i), 'create'));
  const wish = { since: 0n, until: now() };
  const seen = await collect(bus.subscribe(wish, new AbortController().signal));
  assert.equal(seen.length, EVENT_HISTORY_MAX);
  assert.equal(seen[0], '10 create');
});

test('until in the future ends the stream then', async () => {
  const bus = new EventBus();
  const until = now() + 30_000_000n;
  assert.deepEqual(await collect(bus.subscribe({ until }, new AbortController().signal)), []);
});

test('filters select by type, container, event, image and label', async () => {
  const bus = new EventBus();
  bus.publish(container('abc', 'create', { color: 'red' }));
  bus.publish(container('abc', 'start', { color: 'red' }));
  bus.publish(container('xyz', 'start'));
  const ask = async (filters: Record<string, string[]>): Promise<string[]> =>
    collect(
      bus.subscribe(
        { since: 0n, until: now(), filters: new Map(Object.entries(filters)) },
        new AbortController().signal,
      ),
    );
  assert.deepEqual(await ask({ container: ['ab'] }), ['abc create', 'abc start']);
  assert.deepEqual(await ask({ container: ['nxyz'], event: ['start', 'die'] }), ['xyz start']);
  assert.deepEqual(await ask({ label: ['color=red'], event: ['create'] }), ['abc create']);
  assert.deepEqual(await ask({ image: ['busybox'], type: ['image'] }), []);
  assert.equal((await ask({ image: ['busybox'] })).length, 3);
});

test('an unknown filter key is refused at once', () => {
  const wish = { filters: new Map([['color', ['red']]]) };
  const subscribe = () => new EventBus().subscribe(wish, new AbortController().signal);
  assert.throws(subscribe, { code: 'invalid_argument', message: "invalid filter 'color'" });
});

test('a reader that does not keep up is ended with an error', async () => {
  const bus = new EventBus();
  const events = bus.subscribe({}, new AbortController().signal);
  for (let i = 0; i <= EVENT_QUEUE_MAX; i += 1) bus.publish(container(String(i), 'create'));
  await assert.rejects(collect(events), { code: 'limit_exceeded' });
  assert.equal(bus.listeners, 0);
});
