import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TreeEntry } from '#runtime/visit.ts';
import { layerHeaders } from './layer-tar.ts';

const entry = (path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  kind: 'entry',
  path,
  mode: 0o100644,
  uid: 0,
  gid: 0,
  major: 0,
  minor: 0,
  size: 0,
  allocated: 0,
  mtime: 5_000_000_001n,
  wasThere: false,
  wasFile: false,
  same: false,
  gone: false,
  opaque: false,
  hardLink: false,
  before: 0,
  link: '',
  xattrs: new Map(),
  ...more,
});

function names(marks: boolean, entries: readonly TreeEntry[]): readonly string[] {
  const headersOf = layerHeaders(marks);
  return entries.flatMap((each) => headersOf(each).map(({ kind, path }) => `${kind} ${path}`));
}

test('what is gone becomes a whiteout beside it, what was made itself', () => {
  const made = [entry('a'), entry('d/gone', { gone: true, wasThere: true }), entry('', {})];
  assert.deepEqual(names(true, made), ['file a', 'file d/.wh.gone']);
});

test('a directory that hides all below it has one mark, and no whiteouts in it', () => {
  const directory = entry('d', { mode: 0o040755, opaque: true, wasThere: true });
  const made = [
    directory,
    entry('d/gone', { gone: true }),
    entry('d/new'),
    entry('e', { gone: true }),
  ];
  assert.deepEqual(names(true, made), ['dir d', 'file d/.wh..wh..opq', 'file d/new', 'file .wh.e']);
});

test('without marks on disk, each name that is gone has a whiteout', () => {
  const made = [entry('d', { mode: 0o040755, same: true }), entry('d/gone', { gone: true })];
  assert.deepEqual(names(false, made), ['dir d', 'file d/.wh.gone']);
});

test('a file whose name would say that another one is gone cannot be in a layer', () => {
  assert.throws(() => names(true, [entry('d/.wh.x')]), /"\/d\/\.wh\.x" cannot be in a layer/);
});

test('times are whole seconds and hard links lead to the first name', () => {
  const headersOf = layerHeaders(true);
  const [link] = headersOf(entry('b', { hardLink: true, link: 'a', size: 9 }));
  assert.deepEqual(
    [link?.kind, link?.linkPath, link?.size, link?.mtime],
    ['link', 'a', 0, 5_000_000_000n],
  );
});
