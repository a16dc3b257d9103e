import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { Lives } from './live.ts';
import { onTask } from './pause.ts';
import type { Task } from './port.ts';

const ID = 'a'.repeat(64);
const gone = { code: 'conflict', message: `container ${ID} is not running` };
const noFile = new Error('ENOENT: no such file, open /sys/fs/cgroup/freezer/x/freezer.state');

function failing(pid: number, error: Error): Promise<void> {
  const deps = { lives: new Lives() };
  deps.lives.of(ID).task = { pid, pause: () => Promise.reject(error) } as unknown as Task;
  return onTask(deps, ID, (task) => task.pause());
}

test('what meets the end of a process is told that it does not run', async () => {
  const { pid } = spawnSync('true');
  await assert.rejects(failing(pid, noFile), gone);
  const refused = new EngineError('conflict', 'no process', { facts: { errno: 'ESRCH' } });
  await assert.rejects(failing(process.pid, refused), gone);
  await assert.rejects(
    onTask({ lives: new Lives() }, ID, (task) => task.pause()),
    gone,
  );
});

test('what fails while the process runs is told as it is', async () => {
  await assert.rejects(failing(process.pid, noFile), noFile);
});
