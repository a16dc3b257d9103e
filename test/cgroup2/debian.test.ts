// Debian's kernel, which is the oldest that the engine is for, with cgroup2 alone and two CPUs.
// Alone: the kernel measures time by that of this machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootDebian, cannotBoot } from './debian.ts';
import { runInKernel } from './kernel.ts';

const FILES = ['test/root/runtime.test.ts', 'test/cgroup2/debian-rows.ts'];
const BOOT_MS_MAX = 180_000;
const FILE_MS_MAX = 120_000;

test("on Debian's kernel, with cgroup v2", { skip: cannotBoot() }, async (t) => {
  const wish = { files: FILES, fileMsMax: FILE_MS_MAX };
  const booted = await runInKernel(bootDebian(), wish, { msMax: BOOT_MS_MAX });
  for (const { name, error, skipped } of booted.outcomes) {
    await t.test(name, { skip: skipped ?? false }, () => {
      if (error !== undefined) assert.fail(error);
    });
  }
  assert.equal(booted.failure, undefined, `${booted.failure}:\n${booted.console}`);
  assert.notEqual(booted.outcomes.length, 0);
});
