import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lockCgroupParent, lockDataRoot, lockExecRoot, parseStartTime } from './lock.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-lock-'));
after(() => rm(root, { recursive: true, force: true }));

const REST = Array.from({ length: 18 }, (_, i) => i).join(' ');

test('the start time is read past a name with spaces and parentheses', () => {
  assert.equal(parseStartTime(`7 (a) b (c) S ${REST} 4711 0`), '4711');
});

test('a killed owner that nobody has waited for does not hold the lock', () => {
  assert.equal(parseStartTime(`7 (node) Z ${REST} 4711 0`), '');
});

test('one daemon at a time has a data root, and a stale file of a dead one is no hindrance', async () => {
  await writeFile(join(root, 'daemon.lock'), '4194000 1\n');
  const lock = await lockDataRoot(root);
  await assert.rejects(lockDataRoot(root), { code: 'conflict' });
  await lock[Symbol.asyncDispose]();
  await using _again = await lockDataRoot(root);
});

test('one daemon at a time has an exec root: a second one would end what runs there', async () => {
  const place = join(root, 'exec');
  await using _lock = await lockExecRoot(place);
  const other = 'in use by another coracle daemon: name another one, with --exec-root';
  const message = `the exec root ${place} is ${other}`;
  await assert.rejects(lockExecRoot(place), { code: 'conflict', message });
});

test('one daemon at a time has a cgroup parent', async () => {
  const parent = `/${'long'.repeat(40)}/${process.pid}`;
  await using _lock = await lockCgroupParent(parent);
  const other = 'in use by another coracle daemon: name another one, with --cgroup-parent';
  const message = `the cgroup parent ${parent} is ${other}`;
  await assert.rejects(lockCgroupParent(parent), { code: 'conflict', message });
});

test('a data root of dockerd is refused, and left as it is', async () => {
  const theirs = join(root, 'docker');
  await mkdir(join(theirs, 'network/files'), { recursive: true });
  await writeFile(join(theirs, 'network/files/local-kv.db'), '');
  await assert.rejects(lockDataRoot(theirs), /is a data root of dockerd .*name another one/);
  assert.deepEqual(await readdir(theirs), ['network']);
});
