import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classify } from './whiteout.ts';

test('.wh.NAME hides NAME in the same directory', () => {
  assert.deepEqual(classify('a/.wh.b'), { kind: 'whiteout', path: 'a/b' });
  assert.deepEqual(classify('.wh.b'), { kind: 'whiteout', path: 'b' });
  assert.deepEqual(classify('a/.wh.b/c'), { kind: 'entry' });
  assert.deepEqual(classify('a/x.wh.b'), { kind: 'entry' });
});

test('.wh..wh..opq makes its directory opaque', () => {
  assert.deepEqual(classify('a/b/.wh..wh..opq'), { kind: 'opaque', path: 'a/b' });
  assert.deepEqual(classify('.wh..wh..opq'), { kind: 'opaque', path: '' });
});

test('the book-keeping of aufs is ignored', () => {
  assert.deepEqual(classify('.wh..wh.plnk/12.34'), { kind: 'ignored' });
  assert.deepEqual(classify('.wh..wh.aufs'), { kind: 'ignored' });
});

test('a whiteout of nothing, of its directory or of the parent is refused', () => {
  for (const path of ['.wh.', 'a/.wh.', 'a/.wh..', 'a/.wh...']) {
    assert.throws(() => classify(path), /whiteout of nothing/, path);
  }
});
