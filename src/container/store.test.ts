import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Trash } from '#base/trash.ts';
import { removeTrees } from '#snapshot/remove-tree.ts';
import type { Pid, State } from './state.ts';
import { ContainerStore } from './store.ts';
import { plainRecord } from './testing-record.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-store-'));
after(() => rm(root, { recursive: true, force: true }));
const trash = new Trash(removeTrees, (path, error) => assert.fail(`${path}: ${error}`));

const exit = { exitCode: 3, oomKilled: true, error: 'why', finishedAt: 5n };
const STATES: readonly State[] = [
  { status: 'created' },
  { status: 'running', pid: 42 as Pid, startedAt: 1n },
  { status: 'paused', pid: 42 as Pid, startedAt: 1n, forCommit: false },
  { status: 'paused', pid: 42 as Pid, startedAt: 1n, forCommit: true },
  { status: 'restarting', exit, startedAt: 1n },
  { status: 'exited', exit, startedAt: 1n },
  { status: 'removing', before: { status: 'exited', exit, startedAt: 1n } },
  { status: 'dead', error: 'stuck' },
];

test('every state survives a restart, with all its nanoseconds', async () => {
  const place = join(root, 'states');
  const store = new ContainerStore(place, trash);
  await store.load();
  for (const [index, state] of STATES.entries()) {
    const record = plainRecord(String(index), state);
    store.prepare(record.id);
    await store.put(record, { durable: true });
  }
  const again = new ContainerStore(place, trash);
  assert.deepEqual(await again.load(), []);
  for (const [index, state] of STATES.entries()) {
    const record = again.get(String(index).repeat(64));
    assert.deepEqual(record.state, state);
    assert.equal(record.createdAt, 1_700_000_000_123_456_789n);
  }
});

test('containers are found by id, name with or without slash, and unique prefix', async () => {
  const store = new ContainerStore(join(root, 'find'), trash);
  await store.load();
  for (const digit of ['a', 'b']) {
    const record = plainRecord(digit, { status: 'created' });
    store.prepare(record.id);
    await store.put(record, { durable: false });
  }
  const twin = { ...plainRecord('c', { status: 'created' }), id: `ab${'c'.repeat(62)}` as never };
  store.prepare(twin.id);
  await store.put(twin, { durable: false });
  assert.equal(store.get('b').name, 'name_b');
  assert.equal(store.get('/name_a').id, 'a'.repeat(64));
  assert.equal(store.get('abc').id, twin.id);
  assert.throws(() => store.get('a'), /multiple IDs found with provided prefix: a/);
  assert.throws(() => store.get('zz'), { code: 'not_found', message: 'No such container: zz' });
  assert.throws(() => store.reserve('name_a', 'x'), { code: 'conflict' });
  await store.put({ ...store.get('name_a'), name: 'other' }, { durable: false });
  assert.equal(store.find('name_a'), undefined);
  store.remove(twin.id, { durable: true });
  assert.equal(store.find('abc'), undefined);
});

test('a record that cannot be read is told, left alone, and keeps nobody from starting', async () => {
  const place = join(root, 'corrupt');
  const bad = { a: '{', b: '{"version":9}', c: '[]', d: '{"version":1,"id":"x"}' };
  for (const [digit, text] of Object.entries(bad)) {
    await mkdir(join(place, digit.repeat(64)), { recursive: true });
    await writeFile(join(place, digit.repeat(64), 'record.json'), text);
  }
  await mkdir(join(place, 'e'.repeat(64)));
  const store = new ContainerStore(place, trash);
  assert.deepEqual(await store.load(), ['e'.repeat(64)]);
  assert.equal(store.problems.length, 4);
  for (const { error } of store.problems) assert.match(error, /^the record cannot be read: /);
  assert.deepEqual(store.list(), []);
});

test('a removed container is gone at once, and its files go; so do those that a crash left', async () => {
  const place = join(root, 'removed');
  const store = new ContainerStore(place, trash);
  await store.load();
  const record = plainRecord('a', { status: 'created' });
  store.prepare(record.id);
  await store.put(record, { durable: false });
  await store.remove(record.id, { durable: false });
  assert.equal(store.find('a'), undefined);
  store.reserve(record.name, 'another');
  await trash[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(place), []);
  await mkdir(join(place, '.gone-0123456789abcdef'));
  const again = new ContainerStore(place, trash);
  assert.deepEqual(await again.load(), []);
  assert.deepEqual(again.list(), []);
  await trash[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(place), []);
});
