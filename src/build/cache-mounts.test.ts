import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CacheMounts } from './cache-mounts.ts';

const NAME = 'a'.repeat(64);

function open(folder: string): CacheMounts {
  return new CacheMounts(folder, {
    measure: () => Promise.resolve(0),
    removeTrees: async (paths) => {
      for (const path of paths) rmSync(path, { recursive: true });
    },
  });
}

test('what is known of a cache mount is known after a restart, a broken record is none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-cache-mounts-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const first = open(folder);
  await first.load();
  {
    await using _use = first.use(NAME, 'cached mount /c');
    mkdirSync(join(folder, NAME));
    assert.equal(await first.remove(NAME), false, 'it is held');
  }
  const second = open(folder);
  await second.load();
  assert.deepEqual(second.list(), first.list());
  assert.equal(second.list()[0]?.uses, 1);
  writeFileSync(join(folder, `${NAME}.json`), '{');
  mkdirSync(join(folder, 'removed-1'));
  writeFileSync(join(folder, `${'b'.repeat(64)}.json`), '{}');
  const third = open(folder);
  await third.load();
  assert.deepEqual(
    third.list().map(({ description, name, uses }) => [name, description, uses]),
    [[NAME, '', 0]],
  );
  assert.deepEqual(readdirSync(folder), [NAME, `${NAME}.json`]);
  assert.equal(await third.remove(NAME), true);
  assert.deepEqual(readdirSync(folder), []);
});
