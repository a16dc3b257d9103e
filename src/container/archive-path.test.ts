import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goMode, parseArchivePath, partsOf } from './archive-path.ts';

test('a path is absolute and clean, and keeps what its end says', () => {
  const rows: readonly (readonly [string, string, string, string])[] = [
    ['/a/b', '/a/', 'b', 'b'],
    ['a/b', '/a/', 'b', 'b'],
    ['/a/b/', '/a/b/', '', 'b'],
    ['/a/b/.', '/a/b/', '.', '.'],
    ['/a/./b//c', '/a/b/', 'c', 'c'],
    ['/', '/', '', '/'],
    ['.', '/', '.', '.'],
    ['/.', '/', '.', '.'],
    ['../../d', '/', 'd', 'd'],
    ['/a/..', '/', '', '/'],
    ['/a/../b/', '/b/', '', 'b'],
  ];
  for (const [path, directory, name, base] of rows) {
    const parsed = parseArchivePath(path);
    assert.deepEqual([parsed.directory, parsed.name, parsed.base], [directory, name, base], path);
  }
});

test('a name in an archive is taken below the directory; one that climbs out has no place', () => {
  assert.deepEqual(partsOf('./a//b/.'), ['a', 'b']);
  assert.deepEqual(partsOf('a/../b'), ['b']);
  assert.deepEqual(partsOf('/../a'), ['a']);
  assert.deepEqual(partsOf('./'), []);
  for (const name of ['..', '../a', 'a/../../b']) assert.equal(partsOf(name), undefined, name);
});

test("modes are Go's: kinds and special bits have other places than in st_mode", () => {
  assert.equal(goMode(0o100644), 0o644);
  assert.equal(goMode(0o040755), 2 ** 31 + 0o755);
  assert.equal(goMode(0o120777), 2 ** 27 + 0o777);
  assert.equal(goMode(0o020666), 69_206_016 + 0o666);
  assert.equal(goMode(0o060660), 67_108_864 + 0o660);
  assert.equal(goMode(0o010600), 33_554_432 + 0o600);
  assert.equal(goMode(0o104755), 8_388_608 + 0o755);
  assert.equal(goMode(0o041777), 2 ** 31 + 1_048_576 + 0o777);
});
