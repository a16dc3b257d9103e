import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FollowUntil, readLines } from './log-file.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-log-'));
after(() => rm(root, { recursive: true, force: true }));
let count = 0;

function newPath(): string {
  count += 1;
  return join(root, `log-${count}`);
}

async function collect(
  path: string,
  tail: number | undefined,
  follow?: FollowUntil,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const lines of readLines(path, { tail, follow })) {
    seen.push(...lines.map((line) => line.toString()));
  }
  return seen;
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('');
}

test('all files are read, the oldest first, and a line that is being written is left out', async () => {
  const path = newPath();
  await writeFile(`${path}.2`, lines(0, 2));
  await writeFile(`${path}.1`, lines(2, 4));
  await writeFile(path, `${lines(4, 6)}half a li`);
  const all = Array.from({ length: 6 }, (_, i) => `line ${i}`);
  assert.deepEqual(await collect(path, undefined), all);
  assert.deepEqual(await collect(newPath(), undefined), []);
});

test('tail counts over files and blocks without reading what is not wanted', async () => {
  const path = newPath();
  await writeFile(`${path}.1`, lines(0, 50_000));
  await writeFile(path, lines(50_000, 50_002));
  assert.deepEqual(await collect(path, 0), []);
  assert.deepEqual(await collect(path, 1), ['line 50001']);
  assert.deepEqual(await collect(path, 3), ['line 49999', 'line 50000', 'line 50001']);
  const many = await collect(path, 40_000);
  assert.equal(many.length, 40_000);
  assert.equal(many[0], 'line 10002');
  assert.equal((await collect(path, 1_000_000)).length, 50_002);
});

test('lines longer than a block are whole', async () => {
  const path = newPath();
  const long = 'x'.repeat(300_000);
  await writeFile(path, `a\n${long}\nb\n`);
  assert.deepEqual(await collect(path, undefined), ['a', long, 'b']);
  assert.deepEqual(await collect(path, 2), [long, 'b']);
});

test('a follower sees each line once while files are rotated under it, and ends when told', async () => {
  const path = newPath();
  await writeFile(path, lines(0, 3));
  let over = false;
  let wake = (): void => {};
  const seen = collect(path, undefined, {
    ended: () => over,
    onEnd: (ring) => {
      wake = ring;
      return () => {};
    },
    signal: new AbortController().signal,
  });
  for (let round = 0; round < 20; round += 1) {
    await appendFile(path, lines(3 + round * 2, 4 + round * 2));
    if (round % 3 === 0) await sleep(5);
    // As the monitor does it: the older ones first, then a new file.
    for (let i = round; i >= 1; i -= 1) await rename(`${path}.${i}`, `${path}.${i + 1}`);
    await rename(path, `${path}.1`);
    await writeFile(path, lines(4 + round * 2, 5 + round * 2));
  }
  over = true;
  wake();
  assert.deepEqual(
    await seen,
    Array.from({ length: 43 }, (_, i) => `line ${i}`),
  );
});

test('a follower that is given up ends, and waits for no end any more', async () => {
  const path = newPath();
  await writeFile(path, lines(0, 1));
  const gone = new AbortController();
  let listens = 0;
  const onEnd = (): (() => void) => {
    listens += 1;
    return () => {
      listens -= 1;
    };
  };
  const until = { ended: () => false, onEnd, signal: gone.signal };
  const seen = collect(path, undefined, until);
  setTimeout(() => gone.abort(), 20);
  assert.deepEqual(await seen, ['line 0']);
  assert.equal(listens, 0);
});
