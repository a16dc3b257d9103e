import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SpareKind, Spares } from './spare.ts';

const folder = mkdtempSync(join(tmpdir(), 'coracle-spare-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;

function place(): { readonly root: string; readonly target: string } {
  count += 1;
  const root = join(folder, `root-${count}`);
  return { root, target: join(folder, `target-${count}`) };
}

/** Each is told by its number: a directory is there before the spare is. */
class Directories implements SpareKind<number> {
  readonly count = 4;
  made = 0;

  async make(path: string): Promise<number> {
    await mkdir(join(path, 'inside'), { recursive: true });
    this.made += 1;
    return this.made;
  }

  async until(wanted: number): Promise<void> {
    const deadline = performance.now() + 5_000;
    while (this.made < wanted) {
      assert.ok(performance.now() < deadline);
      await sleep(5);
    }
  }
}

test('a spare is taken whole, and another one is made for it when all is quiet', async () => {
  const { root, target } = place();
  const kind = new Directories();
  await using spares = new Spares(root, kind);
  assert.equal(spares.take(target), undefined);
  await spares.begin();
  await kind.until(4);
  assert.equal(spares.take(target), 4);
  assert.ok(existsSync(join(target, 'inside')));
  assert.equal(readdirSync(root).length, 3);
  await kind.until(5);
  assert.equal(spares.take(`${target}-2`), 5);
});

test('what an earlier life left is not taken: it may be half made', async () => {
  const { root, target } = place();
  mkdirSync(join(root, '3'), { recursive: true });
  const kind = new Directories();
  await using spares = new Spares(root, kind);
  assert.equal(spares.take(target), undefined);
  await spares.begin();
  await kind.until(4);
  for (let i = 0; i < 4; i += 1) {
    assert.ok(spares.take(`${target}-${i}`));
    assert.ok(existsSync(join(`${target}-${i}`, 'inside')));
  }
  assert.equal(spares.take(`${target}-4`), undefined);
});

test('one that cannot become what is asked for is made again', async () => {
  const { root } = place();
  const kind = new Directories();
  await using spares = new Spares(root, kind);
  await spares.begin();
  await kind.until(4);
  assert.equal(spares.take(join(folder, 'nowhere', 'deep')), undefined);
  await kind.until(5);
});

test('what came with a spare is given out once, and let go if nobody gets it', async () => {
  const { root, target } = place();
  const dead = new Set<number>();
  const dropped: number[] = [];
  const kind = new Directories();
  const spares = new Spares(root, {
    count: kind.count,
    make: (path) => kind.make(path),
    works: (what) => !dead.has(what),
    drop: async (what) => void dropped.push(what),
  });
  await spares.begin();
  await kind.until(4);
  dead.add(4);
  assert.equal(spares.take(target), undefined);
  assert.deepEqual(dropped, [4]);
  assert.equal(spares.take(join(folder, 'nowhere', 'deep')), undefined);
  assert.deepEqual(dropped, [4, 3]);
  assert.equal(spares.take(target), 2);
  await spares[Symbol.asyncDispose]();
  assert.deepEqual(dropped, [4, 3, 1]);
});
