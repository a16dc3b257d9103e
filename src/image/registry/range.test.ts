import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseContentRange, parseUploadRange } from './range.ts';

test('a Content-Range has a first and a last byte, and perhaps the size of the whole', () => {
  assert.deepEqual(parseContentRange('bytes 100-199/200'), { first: 100, last: 199, size: 200 });
  assert.deepEqual(parseContentRange('bytes 0-0/*'), { first: 0, last: 0, size: undefined });
});

test('a Content-Range that cannot be is none', () => {
  for (const field of ['bytes 5-4/9', 'bytes 0-9/9', 'bytes */9', 'items 0-1/2', '', undefined])
    assert.equal(parseContentRange(field), undefined);
});

test('the Range of an upload tells how much has arrived', () => {
  assert.equal(parseUploadRange('0-99'), 100);
  assert.equal(parseUploadRange('bytes=0-99'), 100);
  for (const field of ['0-0', '5-9', 'x', '', undefined])
    assert.equal(parseUploadRange(field), undefined);
});
