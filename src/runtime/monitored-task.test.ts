// What a task that runs holds of its launch.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import type { Agent, Monitor } from '#kernel/native/native.ts';
import type { OpResult } from '#kernel/native/op.ts';
import { prepare, execBaseOf } from './launch.ts';
import { MonitoredTask } from './monitored-task.ts';
import { factsOf, PLAIN_BOX } from './testing-box.ts';
import { readTrace } from './trace.ts';

const FACTS = factsOf(1);
const directory = mkdtempSync(join(tmpdir(), 'coracle-task-'));
after(() => rmSync(directory, { recursive: true, force: true }));

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const result = (index: number): OpResult => ({
  place: 'init',
  index,
  op: 'ready',
  errno: 0,
  nanoseconds: 7,
  output: Buffer.alloc(0),
});

/** A task that runs, and what its launch was made of, by references that hold nothing. */
async function launched(volatile: boolean, place: string = directory) {
  const box = { ...PLAIN_BOX, root: { ...PLAIN_BOX.root, volatile } };
  const { plan, spec, cgroup } = prepare(box, FACTS);
  const results = [result(0)];
  const never = new Promise<never>(() => {});
  const monitor = { exited: never, lost: never, go: async () => [result(1)] };
  const task = new MonitoredTask({
    box,
    facts: FACTS,
    directory: place,
    agent: {} as Agent,
    cgroup,
    execBase: execBaseOf(spec, cgroup),
    monitor: monitor as unknown as Monitor,
    pid: 7,
    launched: { plan, results },
  });
  await task.go();
  return { task, held: [plan, results, cgroup.create].map((each) => new WeakRef(each)) };
}

for (const volatile of [false, true]) {
  const what = volatile ? 'that is removed at its end' : 'that is kept';
  test(`of a container ${what}, the plan and its results go once it runs and they are written`, async () => {
    const { task, held } = await launched(volatile);
    const trace = await readTrace(directory);
    assert.deepEqual(trace?.times.init, [7, 7]);
    await sleep(0); // a WeakRef holds what it refers to until the current job has ended
    collectGarbage();
    assert.deepEqual(
      held.map((each) => each.deref()),
      [undefined, undefined, undefined],
    );
    assert.equal(task.pid, 7);
  });
}

test('what runs was started, whether it can be written how or not', async () => {
  const { task } = await launched(false, join(directory, 'gone'));
  assert.equal(task.pid, 7);
});
