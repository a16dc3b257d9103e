import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Happening } from '#event/event.ts';
import { VolumeStore } from './volume.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-volume-'));
const trash = {
  remove: (path: string) => rm(path, { recursive: true, force: true }),
  sweep: (path: string) => rm(path, { recursive: true, force: true }),
};
const perform = async (): Promise<never[]> => [];
const happenings: Happening[] = [];
const events = { publish: (each: Happening) => void happenings.push(each) };
const needs = { perform, carry: perform, trash, events };
after(() => rm(root, { recursive: true, force: true }));

test('a volume is made once, found after a restart, and removed with its data', async () => {
  const store = new VolumeStore(join(root, 'a'), needs);
  await store.load();
  const [one, two] = await Promise.all([
    store.create({ name: 'db' }),
    store.create({ name: 'db' }),
  ]);
  assert.equal(one, two);
  await writeFile(join(one.mountpoint, 'f'), 'x');
  const again = new VolumeStore(join(root, 'a'), needs);
  assert.deepEqual(await again.load(), []);
  assert.equal(again.get('db').createdAt, one.createdAt);
  await again.remove('db');
  assert.equal(existsSync(join(root, 'a', 'db')), false);
  assert.throws(() => again.get('db'), { code: 'not_found', message: 'get db: no such volume' });
  assert.deepEqual(
    happenings.map(({ action, actor }) => `${action} ${actor.id}`),
    ['create db', 'destroy db'],
  );
});

test('names that are no plain words are refused', async () => {
  const store = new VolumeStore(join(root, 'b'), needs);
  for (const name of ['../x', 'a/b', '.', 'x', '.hidden']) {
    await assert.rejects(store.create({ name }), { code: 'invalid_argument' });
  }
});

test('a volume that could not be removed is still there, and can be removed again', async () => {
  let refuse = true;
  const remove = async (path: string): Promise<void> => {
    if (refuse) throw new Error('the disk is gone');
    await rm(path, { recursive: true, force: true });
  };
  const store = new VolumeStore(join(root, 'stays'), { ...needs, trash: { ...trash, remove } });
  await store.load();
  await store.create({ name: 'db' });
  await assert.rejects(store.remove('db'), { message: 'the disk is gone' });
  assert.equal(store.get('db').name, 'db');
  refuse = false;
  await store.remove('db');
  assert.equal(store.find('db'), undefined);
});

test('a corrupt record is reported and a half-made volume is swept', async () => {
  const place = join(root, 'c');
  await mkdir(join(place, 'broken'), { recursive: true });
  await writeFile(join(place, 'broken', 'volume.json'), '{');
  await mkdir(join(place, 'half', '_data'), { recursive: true });
  const problems = await new VolumeStore(place, needs).load();
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /^volume broken: /);
  assert.equal(existsSync(join(place, 'half')), false);
});
