import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TreeEntry } from '#kernel/native/visit.ts';
import { SeenTree } from './explore.ts';

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
  mtime: 0n,
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
const directory = { mode: 0o040755 } as const;

test('a file that is replaced or removed wastes the bytes that it had before', () => {
  const seen = new SeenTree();
  assert.equal(seen.apply(entry('a', { size: 10 })).wasted, 0);
  const changed = seen.apply(entry('a', { size: 4, wasThere: true }));
  assert.deepEqual([changed.kind, changed.bytes, changed.wasted], ['changed', 4, 10]);
  const gone = seen.apply(entry('a', { gone: true, wasThere: true, size: 4 }));
  assert.deepEqual([gone.kind, gone.bytes, gone.wasted], ['removed', 0, 4]);
  assert.equal(seen.apply(entry('a', { gone: true, wasThere: true })).wasted, 0);
});

test('a directory that goes wastes all that was in it, one that is told again nothing', () => {
  const seen = new SeenTree();
  seen.apply(entry('d', directory));
  seen.apply(entry('d/a', { size: 3 }));
  seen.apply(entry('d/e/b', { size: 5 }));
  assert.equal(seen.apply(entry('d', { ...directory, wasThere: true })).wasted, 0);
  assert.equal(seen.apply(entry('d/e', { ...directory, gone: true, wasThere: true })).wasted, 5);
  assert.equal(seen.apply(entry('d', { size: 1, wasThere: true })).wasted, 3);
});

test('one more name of a file has no bytes of its own', () => {
  const seen = new SeenTree();
  seen.apply(entry('a', { size: 7 }));
  assert.equal(seen.apply(entry('b', { size: 7, hardLink: true, link: 'a' })).bytes, 0);
  assert.equal(seen.apply(entry('b', { gone: true, wasThere: true, size: 7 })).wasted, 0);
});
