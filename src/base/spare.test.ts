import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Spares } from './spare.ts';

const folder = mkdtempSync(join(tmpdir(), 'coracle-spare-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;

function place(): { readonly root: string; readonly target: string } {
  count += 1;
  const root = join(folder, `root-${count}`);
  return { root, target: join(folder, `target-${count}`) };
}

async function make(path: string): Promise<void> {
  await mkdir(join(path, 'inside'), { recursive: true });
}

async function full(root: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (readdirSync(root).length < 4) {
    assert.ok(performance.now() < deadline);
    await sleep(5);
  }
  await sleep(5);
}

test('a spare is taken whole, and another one is made for it when all is quiet', async () => {
  const { root, target } = place();
  await using spares = new Spares(root, make);
  assert.equal(spares.take(target), false);
  spares.begin();
  await full(root);
  assert.equal(spares.take(target), true);
  assert.ok(existsSync(join(target, 'inside')));
  assert.equal(readdirSync(root).length, 3);
  await full(root);
});

test('what an earlier life left is not taken: it may be half made', async () => {
  const { root, target } = place();
  mkdirSync(join(root, '3'), { recursive: true });
  await using spares = new Spares(root, make);
  assert.equal(spares.take(target), false);
  spares.begin();
  await full(root);
  for (let i = 0; i < 4; i += 1) {
    assert.ok(spares.take(`${target}-${i}`));
    assert.ok(existsSync(join(`${target}-${i}`, 'inside')));
  }
  assert.equal(spares.take(`${target}-4`), false);
});

test('one that cannot become what is asked for is made again', async () => {
  const { root } = place();
  await using spares = new Spares(root, make);
  spares.begin();
  await full(root);
  assert.equal(spares.take(join(folder, 'nowhere', 'deep')), false);
  await full(root);
});
