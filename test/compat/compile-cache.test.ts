// What the command keeps of itself, so that it starts sooner.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, runProgram } from '../daemon.ts';

const { NODE_COMPILE_CACHE: _, ...ENV } = process.env;

test('compiled code is kept beside the bundle, and is no need', { skip: cannotRun() }, async () => {
  const place = mkdtempSync(join(tmpdir(), 'coracle-cache-'));
  try {
    for (const name of ['bin', 'dist'])
      cpSync(join(ROOT, name), join(place, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'));
    const cache = join(place, 'dist/compile-cache');
    rmSync(cache, { recursive: true, force: true });
    const command = [join(place, 'bin/coracle'), '--version'];
    const first = await runProgram(command, ENV, {});
    assert.equal(first.code, 0, first.stderr);
    const kept = readdirSync(cache, { recursive: true });
    assert.ok(kept.length > 1);
    assert.deepEqual(await runProgram(command, ENV, {}), first);
    assert.deepEqual(readdirSync(cache, { recursive: true }), kept);
    // Nothing can be kept there.
    rmSync(cache, { recursive: true });
    writeFileSync(cache, '');
    assert.deepEqual(await runProgram(command, ENV, {}), first);
  } finally {
    rmSync(place, { recursive: true });
  }
});
