import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setImmediate as tick } from 'node:timers/promises';
import { EngineError } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import { Trash } from '#base/trash.ts';
import { removeTrees } from '#snapshot/remove-tree.ts';
import type { Deps } from './deps.ts';
import { settleExit } from './exit.ts';
import { Lives } from './live.ts';
import type { Task } from './port.ts';
import type { Pid } from './state.ts';
import { stop } from './stop.ts';
import { ContainerStore } from './store.ts';
import { plainRecord } from './testing-record.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-stop-'));
after(() => rm(root, { recursive: true, force: true }));

test('stop() of a process that has just ended waits until its exit is stored and told', async () => {
  const trash = new Trash(removeTrees, (_, error) => assert.ifError(error));
  const store = new ContainerStore(root, trash);
  await store.load();
  const told: string[] = [];
  const deps = {
    store,
    lives: new Lives(),
    locks: new KeyedLock(),
    events: { publish: ({ action }: { readonly action: string }) => told.push(action) },
    report: () => {},
    networks: {
      close: async () => {},
      record: () => ({ id: 'n', name: 'none', driver: 'null' }),
    },
  } as unknown as Deps;
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 1n });
  store.prepare(record.id);
  await store.put(record, { durable: false });
  const { promise: signalled, resolve } = Promise.withResolvers<void>();
  const task: Pick<Task, 'signal'> = {
    signal: () => {
      resolve();
      return Promise.reject(new EngineError('conflict', 'no such process is running'));
    },
  };
  deps.lives.of(record.id).task = task as Task;
  let done = false;
  // Without a grace period: that is no reason not to wait for an exit that is on its way.
  const stopped = stop(deps, record.id, { signal: undefined, timeoutSeconds: 0 }).then(() => {
    done = true;
  });
  await signalled;
  await tick();
  await tick();
  assert.equal(done, false);
  const exit = { exitCode: 0, signal: 0, finishedAt: 2n, oomKilled: false, oomKills: 0 };
  using _lock = await deps.locks.acquire(record.id);
  await settleExit(deps, store.get(record.id), exit);
  await stopped;
  assert.equal(store.get(record.id).state.status, 'exited');
  assert.deepEqual(told, ['die', 'disconnect', 'stop']);
});
