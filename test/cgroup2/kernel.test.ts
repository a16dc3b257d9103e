// The tests of limits on a kernel with cgroup2 alone, which is booted for them. They are the same
// files as on this machine, and each of their tests counts here by its name.
// Alone: the kernel measures time by that of this machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cannotBoot } from '../uml.ts';
import { bootUserMode, runInKernel } from './kernel.ts';

const FILES = [
  'test/root/cgroup.test.ts',
  'test/root/runtime.test.ts',
  'test/root/cgroup-limits.test.ts',
  'test/root/volume-disk.test.ts',
  'test/root/slice-limits.test.ts',
];
const BOOT_MS_MAX = 170_000;
const FILE_MS_MAX = 120_000;

test('on cgroup v2', { skip: cannotBoot() }, async (t) => {
  const booted = await runInKernel(
    bootUserMode,
    { files: FILES, fileMsMax: FILE_MS_MAX },
    { msMax: BOOT_MS_MAX },
  );
  for (const { name, error, skipped } of booted.outcomes) {
    await t.test(name, { skip: skipped ?? false }, () => {
      if (error !== undefined) assert.fail(error);
    });
  }
  assert.equal(booted.failure, undefined, `${booted.failure}:\n${booted.console}`);
  assert.notEqual(booted.outcomes.length, 0);
});
