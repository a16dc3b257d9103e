import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DELETIONS_MAX, isTrash, Trash } from './trash.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-trash-'));
after(() => rm(root, { recursive: true, force: true }));

const remove = async (paths: readonly string[]): Promise<void> => {
  for (const path of paths) await rm(path, { recursive: true, force: true });
};
const fail = (path: string, error: unknown): void => assert.fail(`${path}: ${error}`);

async function place(...names: readonly string[]): Promise<string> {
  const parent = await mkdtemp(join(root, 'place-'));
  for (const name of names) await mkdir(join(parent, name, 'below'), { recursive: true });
  return parent;
}

test('a removed directory is out of sight at once, and deleted behind the caller', async () => {
  const parent = await place('a');
  const { promise: go, resolve } = Promise.withResolvers<void>();
  await using trash = new Trash((paths) => go.then(() => remove(paths)), fail);
  await trash.remove(join(parent, 'a'));
  const left = await readdir(parent);
  assert.equal(left.length, 1);
  assert.ok(left.every(isTrash));
  resolve();
  await trash[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(parent), []);
});

test('removing what is not there is success', async () => {
  await using trash = new Trash(remove, fail);
  await trash.remove(join(root, 'nothing'));
});

test('what cannot be deleted is reported, and the next one is deleted all the same', async () => {
  const parent = await place('a', 'b');
  const failed: string[] = [];
  const stuck = (paths: readonly string[]): Promise<void> =>
    paths.some((path) => existsSync(join(path, 'stuck')))
      ? Promise.reject(new Error('stuck'))
      : remove(paths);
  const trash = new Trash(stuck, (path) => failed.push(path));
  await mkdir(join(parent, 'a', 'stuck'));
  await trash.remove(join(parent, 'a'));
  await trash.remove(join(parent, 'b'));
  await trash[Symbol.asyncDispose]();
  assert.equal(failed.length, 1);
  assert.deepEqual(
    (await readdir(parent)).map((name) => join(parent, name)),
    failed,
  );
});

test('when too many wait, removing waits for its turn', async () => {
  const names = Array.from({ length: DELETIONS_MAX + 1 }, (_, index) => String(index));
  const parent = await place(...names);
  const { promise: go, resolve } = Promise.withResolvers<void>();
  const trash = new Trash((paths) => go.then(() => remove(paths)), fail);
  for (const name of names.slice(1)) await trash.remove(join(parent, name));
  let over = false;
  const last = trash.remove(join(parent, '0')).then(() => {
    over = true;
  });
  await new Promise(setImmediate);
  assert.ok(!existsSync(join(parent, '0')));
  assert.equal(over, false);
  resolve();
  await last;
});

test('whoever waits for one waits for no tree that came after it', async () => {
  const parent = await place('a');
  const gone: string[] = [];
  const trash = new Trash(async (paths) => {
    gone.push(...paths);
    // Something else is always removed meanwhile, as on a busy host.
    if (gone.length < 10) void trash.sweep(`${gone.length}`);
  }, fail);
  const path = join(parent, 'a');
  await trash.sweep(path);
  assert.deepEqual(gone, [path]);
  await trash[Symbol.asyncDispose]();
});
