import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import type { EncodeItem } from '#tar/encode.ts';
import { encodeTar } from '#tar/encode.ts';
import { dir, file, hardLink, symlink } from '../../../test/fixture/archive.ts';
import { MemoryTree } from '../../../test/fixture/memory-tree.ts';
import { applyLayer } from './apply.ts';

async function apply(
  items: readonly EncodeItem[],
  lower: readonly string[] = [],
): Promise<MemoryTree> {
  const tree = new MemoryTree();
  const signal = new AbortController().signal;
  await applyLayer(encodeTar(items), tree, { lower, signal });
  return tree;
}

async function paths(items: readonly EncodeItem[]): Promise<readonly string[]> {
  const { entries } = await apply(items);
  return [...entries].map(([path, made]) => `${path} ${made.kind}`).slice(1);
}

async function refused(items: readonly EncodeItem[], text: RegExp): Promise<void> {
  await assert.rejects(
    apply(items),
    (error) =>
      (isEngineError(error, 'corrupt') || isEngineError(error, 'limit_exceeded')) &&
      text.test(error.message),
  );
}

test('names are taken below the root, absolute or not', async () => {
  assert.deepEqual(await paths([dir('./'), dir('/etc'), file('///etc/./x', 'y')]), [
    'etc dir',
    'etc/x file',
  ]);
});

test('a name that climbs is refused', async () => {
  for (const path of ['../x', 'a/../../x', 'a/..', '/..', '..', 'a/b/../c']) {
    await refused([file(path)], /climbs out/);
  }
  await refused([file('../.wh.x')], /climbs out/);
});

test('a file without a name is refused, the root as a directory is not', async () => {
  for (const path of ['', '.', '/', './']) {
    if (path !== '') await refused([symlink(path, 'x')], /without a name/);
  }
  assert.deepEqual(await paths([dir('.', 0o700)]), []);
});

test('names longer than the kernel takes are refused', async () => {
  await refused([file('n'.repeat(256))], /LAYER_NAME_BYTES_MAX/);
  await refused([file('d/'.repeat(2048))], /LAYER_PATH_BYTES_MAX/);
});

test('any other byte may stand in a name', async () => {
  assert.deepEqual(await paths([file('a\nb\xff\\ "\t\x01')]), ['a\nb\xff\\ "\t\x01 file']);
});

test('a hard link that points outside is refused in the words of Docker', async () => {
  for (const target of ['../etc/passwd', '/../x', 'a/../../x', '', '/']) {
    await refused([file('a'), hardLink('b', target)], /^invalid hardlink "b" -> /);
  }
  assert.deepEqual(await paths([file('a'), hardLink('b', '/a')]), ['a file', 'b file']);
});

test('a symbolic link may say anything: it is only followed inside the container', async () => {
  const { entries } = await apply([symlink('l', '../../../etc/passwd'), symlink('m', '/etc')]);
  assert.equal(entries.get('l')?.target, '../../../etc/passwd');
  await refused([symlink('l', '')], /invalid symlink/);
});

test('below a link nothing is implied: the kernel resolves it inside the root', async () => {
  assert.deepEqual(await paths([symlink('lib', 'usr/lib'), file('lib/a/b', 'x')]), [
    'lib symlink',
    'lib/a/b file',
  ]);
});

test('implied parents are made once, and again after something replaced them', async () => {
  assert.deepEqual(await paths([file('a/b/c'), file('a/b/d')]), [
    'a dir',
    'a/b dir',
    'a/b/c file',
    'a/b/d file',
  ]);
  assert.deepEqual(await paths([file('a/b/c'), file('a'), file('a/b/d')]), [
    'a dir',
    'a/b dir',
    'a/b/d file',
  ]);
});

test('whiteouts become whiteouts, wherever they stand', async () => {
  const { entries } = await apply([
    file('.wh.gone'),
    file('d/.wh.gone'),
    file('o/.wh..wh..opq'),
    file('o/kept'),
    file('.wh..wh.plnk/1.2'),
  ]);
  assert.equal(entries.get('gone')?.kind, 'whiteout');
  assert.equal(entries.get('d/gone')?.kind, 'whiteout');
  assert.equal(entries.get('o')?.opaque, true);
  assert.equal(entries.get('o/kept')?.kind, 'file');
  assert.ok(![...entries.keys()].some((path) => path.includes('.wh.')));
});

test('a whiteout of the root, of itself or of the parent is refused', async () => {
  for (const path of ['.wh.', '.wh..', '.wh...', 'a/.wh.', 'a/.wh..', 'a/.wh...']) {
    await refused([file(path)], /whiteout of nothing/);
  }
});

test('file capabilities and user attributes are kept, all that steers the host is dropped', async () => {
  const names = [
    'security.capability',
    'user.note',
    'user.overlay.opaque',
    'trusted.overlay.opaque',
    'trusted.overlay.redirect',
    'security.selinux',
    'security.ima',
    'system.posix_acl_access',
  ];
  const xattrs = new Map(names.map((name) => [name, Buffer.from('v')]));
  const { entries } = await apply([
    { ...file('f', 'x'), xattrs },
    { ...symlink('l', 'f'), xattrs },
  ]);
  assert.deepEqual(
    [...(entries.get('f')?.xattrs.keys() ?? [])],
    ['security.capability', 'user.note'],
  );
  assert.deepEqual([...(entries.get('l')?.xattrs.keys() ?? [])], []);
});

test('devices, fifos, setuid and sticky bits are kept', async () => {
  const { entries } = await apply([
    { kind: 'char', path: 'null', mode: 0o666, major: 1, minor: 3 },
    { kind: 'block', path: 'sda', mode: 0o660, major: 8, minor: 0, gid: 6 },
    { kind: 'fifo', path: 'p', mode: 0o600 },
    file('su', 'x', 0o4755),
    dir('tmp', 0o1777),
  ]);
  assert.equal(entries.get('null')?.target, '1:3');
  assert.equal(entries.get('sda')?.meta?.gid, 6);
  assert.equal(entries.get('p')?.kind, 'fifo');
  assert.equal(entries.get('su')?.meta?.mode, 0o4755);
  assert.equal(entries.get('tmp')?.meta?.mode, 0o1777);
});

test('an aborted unpack stops', async () => {
  const abort = new AbortController();
  const tree = new MemoryTree();
  async function* endless(): AsyncGenerator<EncodeItem> {
    for (let i = 0; ; i += 1) {
      if (i === 100) abort.abort();
      yield file(`f${i}`);
    }
  }
  const options = { lower: [], signal: abort.signal };
  await assert.rejects(applyLayer(encodeTar(endless()), tree, options), { name: 'AbortError' });
});

test('100,000 entries and deep nesting are no trouble', { timeout: 60_000 }, async () => {
  const many = Array.from({ length: 100_000 }, (_, i) => file(`d${i % 300}/f${i}`));
  assert.equal((await apply(many)).entries.size, 1 + 300 + 100_000);
  // Each entry replaces the directory that the one before implied.
  const churn = Array.from({ length: 20_000 }, (_, i) => file(i % 2 === 0 ? 'a/b' : 'a'));
  await apply(churn);
  assert.equal((await apply([file(`${'d/'.repeat(2000)}f`)])).entries.size, 2002);
});

test('without the layers below, implied directories are told, until an entry says what they are', async () => {
  const signal = new AbortController().signal;
  const told = async (items: readonly EncodeItem[]) =>
    applyLayer(encodeTar(items), new MemoryTree(), {
      lower: undefined,
      signal,
    });
  const { orphans, ownRoot } = await told([
    file('a/b/c', 'c'),
    dir('a/b'),
    file('x/y', 'y'),
    file('x', 'no directory any more'),
    dir('./'),
  ]);
  assert.deepEqual([orphans, ownRoot], [['a'], true]);
  assert.equal((await told([file('f')])).ownRoot, false);
});
