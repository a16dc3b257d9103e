import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deps } from './deps.ts';
import { Lives } from './live.ts';
import type { Task } from './port.ts';
import type { Pid } from './state.ts';
import { SAMPLE_MS, type StatsFrame, watchStats } from './stats.ts';
import { plainRecord } from './testing-record.ts';

/** One running container; `read` is what the kernel tells of it. */
function watched(read: () => unknown) {
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n });
  const known = new Set([record.id]);
  const lives = new Lives();
  const task: Pick<Task, 'openUsage'> = {
    openUsage: () => ({ read, [Symbol.dispose]: () => {} }) as never,
  };
  lives.of(record.id).task = task as Task;
  const find = (id: string) => (known.has(id as never) ? record : undefined);
  const deps = {
    store: { get: find, find },
    lives,
    networks: { sandbox: () => undefined },
  } as unknown as Deps;
  const gone = new AbortController();
  const told: StatsFrame[] = [];
  const tell = (frame: StatsFrame): void => void told.push(frame);
  const watch = () => watchStats(deps, record.id, gone.signal, tell);
  return { watch, told, lives, gone, remove: () => known.delete(record.id), id: record.id };
}

test('a sample that cannot be read is the error of who watches, not the end of the daemon', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  let reads = 0;
  const { watch, told, lives, id } = watched(() => {
    reads += 1;
    if (reads === 2) throw new Error('too many open files');
    return { usage: {}, interfaces: {} };
  });
  const ended = watch();
  assert.equal(told.length, 1);
  t.mock.timers.tick(SAMPLE_MS);
  await assert.rejects(ended, /too many open files/);
  t.mock.timers.tick(5 * SAMPLE_MS);
  assert.equal(reads, 2);
  assert.equal(lives.of(id).sampler, undefined);
});

test('a watcher that fails does not end the daemon, and who comes later knows the sample before', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { watch, told, gone, lives, id } = watched(() => ({ usage: {}, interfaces: {} }));
  const [first, second] = [watch(), watch()];
  t.mock.timers.tick(SAMPLE_MS);
  assert.equal(told.length, 3);
  assert.equal(told[1], told[2]);
  assert.equal(told[1]?.before?.at, told[0]?.sample?.at);
  told.push = () => {
    throw new Error('cannot be written');
  };
  t.mock.timers.tick(SAMPLE_MS);
  await assert.rejects(first, /cannot be written/);
  await assert.rejects(second, /cannot be written/);
  assert.equal(lives.of(id).sampler, undefined);
  gone.abort();
});

test('watching ends with the signal, and when the container is removed', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const { watch, gone, remove, lives, id } = watched(() => ({ usage: {}, interfaces: {} }));
  const ended = watch();
  remove();
  t.mock.timers.tick(SAMPLE_MS);
  await ended;
  const other = watched(() => undefined);
  const left = other.watch();
  other.gone.abort();
  await left;
  assert.equal(lives.of(id).sampler, undefined);
  assert.equal(other.lives.of(other.id).sampler, undefined);
  gone.abort();
  await other.watch();
});
