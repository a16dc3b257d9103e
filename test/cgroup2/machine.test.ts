// What boots the kernels of these tests must never hang, whatever it boots.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runMachine } from '../machine.ts';

test('a machine that does not come up in time is ended, and one that has is not', async () => {
  const job = mkdtempSync(join(tmpdir(), 'coracle-kernel-'));
  const boot = (script: string, msMax: number) =>
    runMachine(['sh', '-c', script], {
      job,
      env: process.env,
      msMax,
      first: { words: 'the tests begin', msMax: 300 },
    });
  try {
    const silent = await boot('echo Booting; sleep 60', 60_000);
    assert.deepEqual(silent, { text: 'Booting\n', timedOut: true, started: false });
    // What it started goes with it, else its end would not be seen.
    const hangs = await boot('echo the tests begin; sleep 60 & sleep 60', 600);
    assert.deepEqual(hangs, { text: 'the tests begin\n', timedOut: true, started: true });
    const ends = await boot('echo the tests begin; sleep .5', 60_000);
    assert.deepEqual(ends, { text: 'the tests begin\n', timedOut: false, started: true });
  } finally {
    rmSync(job, { recursive: true, force: true });
  }
});
