import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Trash } from '#base/trash.ts';
import { removeTrees } from '#snapshot/remove-tree.ts';
import type { Deps } from './deps.ts';
import { settleExit } from './exit.ts';
import { Lives } from './live.ts';
import { ContainerLocks } from './lock.ts';
import type { Task } from './port.ts';
import { remove } from './remove.ts';
import { start } from './start.ts';
import type { Pid, State } from './state.ts';
import { ContainerStore } from './store.ts';
import { plainRecord } from './testing-record.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-remove-'));
after(() => rm(root, { recursive: true, force: true }));

/** A store with one container, and a process whose end is handled as soon as it is signalled. */
async function host(name: string, state: State) {
  const trash = new Trash(removeTrees, (_, error) => assert.ifError(error));
  const store = new ContainerStore(join(root, name), trash);
  await store.load();
  const lives = new Lives();
  const deps = {
    store,
    trash,
    lives,
    locks: new ContainerLocks(lives),
    settings: { runDirectory: join(root, 'run') },
    snapshots: { remove: async () => {} },
    events: { publish: () => {} },
    networks: {
      close: async () => {},
      record: () => ({ id: 'n', name: 'none', driver: 'null' }),
    },
    report: () => {},
  } as unknown as Deps;
  const record = plainRecord('a', state);
  const { id } = record;
  store.prepare(id);
  await store.put(record, { durable: false });
  const live = deps.lives.of(id);
  const end = async (): Promise<void> => {
    using _lock = await deps.locks.acquire(id);
    live.task = undefined;
    const exit = { exitCode: 137, signal: 9, finishedAt: 2n, oomKilled: false, oomKills: 0 };
    await settleExit(deps, store.get(id), exit);
  };
  const task: Pick<Task, 'signal'> = { signal: async () => void end() };
  live.task = task as Task;
  return { deps, store, live, record, [Symbol.asyncDispose]: () => trash[Symbol.asyncDispose]() };
}

const RUNNING: State = { status: 'running', pid: 7 as Pid, startedAt: 1n };
const FORCE = { force: true, volumes: false, link: false };

test('what is removed by force is not started by anybody else in between', async () => {
  await using it = await host('restart', RUNNING);
  const { id } = it.record;
  // The first to hear of the end, so that it has the lock before the removal has it.
  const started = it.live.exited.next().then(() => start(it.deps, id));
  const removed = remove(it.deps, id, FORCE);
  await assert.rejects(started, {
    code: 'conflict',
    message: 'container is marked for removal and cannot be started',
  });
  await removed;
  assert.equal(it.store.find(id), undefined);
});

test('what is just being started is removed by force when it runs', async () => {
  await using it = await host('start', { status: 'created' });
  const { id } = it.record;
  let removed: Promise<void>;
  {
    using _start = await it.deps.locks.acquire(id);
    removed = remove(it.deps, id, FORCE);
    await it.store.put({ ...it.record, state: RUNNING }, { durable: false });
  }
  await removed;
  assert.equal(it.store.find(id), undefined);
});

test('who waits for a removal that fails is told why', async () => {
  await using it = await host('fails', { status: 'created' });
  const { id } = it.record;
  it.live.task = undefined;
  const deps = { ...it.deps, snapshots: { remove: () => Promise.reject(new Error('busy')) } };
  const waiting = it.live.removed.next(AbortSignal.timeout(1000));
  await assert.rejects(remove(deps as unknown as Deps, id, FORCE), /busy/);
  const error = 'cannot remove container "/name_a": busy';
  assert.deepEqual(await waiting, { statusCode: 0, error });
  assert.equal(it.store.get(id).state.status, 'dead');
});

test('a record that cannot be written keeps nothing from being removed', async () => {
  await using it = await host('full', { status: 'created' });
  const { id } = it.record;
  it.live.task = undefined;
  it.store.put = () => Promise.reject(new Error('ENOSPC'));
  const failing = { ...it.deps, snapshots: { remove: () => Promise.reject(new Error('busy')) } };
  await assert.rejects(remove(failing as unknown as Deps, id, FORCE), /busy/);
  assert.equal(it.store.get(id).state.status, 'dead');
  await remove(it.deps, id, FORCE);
  assert.equal(it.store.find(id), undefined);
});
