import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findGit } from './program.ts';

test('git is found as a program in an absolute directory, and missed with what to install', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-git-'));
  try {
    writeFileSync(join(folder, 'git'), '', { mode: 0o644 });
    await assert.rejects(findGit(`${folder}:.:bin`), /install the package "git"/);
    rmSync(join(folder, 'git'));
    writeFileSync(join(folder, 'git'), '', { mode: 0o755 });
    assert.equal(await findGit(`/nowhere:${folder}`), join(folder, 'git'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
