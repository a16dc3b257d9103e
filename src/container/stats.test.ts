import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deps } from './deps.ts';
import { Lives } from './live.ts';
import type { Task } from './port.ts';
import type { Pid } from './state.ts';
import { SAMPLE_MS, stats } from './stats.ts';
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
  const wish = { stream: true, oneShot: false };
  const frames = stats(deps, record.id, wish, gone.signal)[Symbol.asyncIterator]();
  return { frames, lives, gone, remove: () => known.delete(record.id), id: record.id };
}

test('a sample that cannot be read is the error of who watches, not the end of the daemon', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  let reads = 0;
  const { frames, lives, id } = watched(() => {
    reads += 1;
    if (reads === 2) throw new Error('too many open files');
    return { interfaces: {} };
  });
  assert.equal((await frames.next()).done, false);
  const next = frames.next();
  t.mock.timers.tick(SAMPLE_MS);
  await assert.rejects(next, /too many open files/);
  t.mock.timers.tick(5 * SAMPLE_MS);
  assert.equal(reads, 2);
  assert.equal(lives.of(id).sampler, undefined);
});
