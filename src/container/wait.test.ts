import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deps } from './deps.ts';
import { Lives } from './live.ts';
import type { ContainerRecord } from './record.ts';
import type { Pid } from './state.ts';
import { plainRecord } from './testing-record.ts';
import { wait } from './wait.ts';

test('a wait that crosses a start in flight waits for the run that begins', async () => {
  const exit = { exitCode: 3, oomKilled: false, error: '', finishedAt: 1n };
  let record: ContainerRecord = plainRecord('a', { status: 'exited', exit, startedAt: 0n });
  const set = (state: ContainerRecord['state']): void => {
    record = { ...record, state };
  };
  const store = { get: () => record, find: () => record } as unknown as Deps['store'];
  const lives = new Lives();
  const live = lives.of(record.id);
  const start = Promise.withResolvers<void>();
  live.starting = start.promise;
  const signal = new AbortController().signal;
  const { answer } = wait({ store, lives }, record.id, 'not-running', signal);
  set({ status: 'running', pid: 7 as Pid, startedAt: 2n });
  live.starting = undefined;
  start.resolve();
  await new Promise(setImmediate);
  set({ status: 'exited', exit: { ...exit, exitCode: 7 }, startedAt: 2n });
  live.exited.tell({ statusCode: 7, error: undefined });
  assert.deepEqual(await answer, { statusCode: 7, error: undefined });
});
