import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { Deps } from './deps.ts';
import { Lives } from './live.ts';
import type { Task } from './port.ts';
import { membersOf } from './slice.ts';
import type { Pid } from './state.ts';
import { plainRecord } from './testing-record.ts';

test('a container that has just ended does not fail the change of its slice', async () => {
  const ended = spawnSync('true').pid as Pid;
  const record = plainRecord('a', { status: 'running', pid: ended, startedAt: 0n });
  const deps = {
    store: { list: () => [record], find: () => record },
    locks: new KeyedLock(),
    lives: new Lives(),
    resources: { check: () => ({ resources: {}, warnings: [] }) },
  } as unknown as Deps;
  const update = () => Promise.reject(new Error('ENOENT: cpu.shares'));
  const change = async (pid: Pid): Promise<void> => {
    deps.lives.of(record.id).task = { pid, update } as unknown as Task;
    const members = membersOf(deps, () => ({ slice: 's', parent: '/s' }));
    using held = await members.hold(new Set(['s']));
    await held.members[0]?.change({});
  };
  await change(ended);
  await assert.rejects(change(process.pid as Pid), /cpu\.shares/);
});
