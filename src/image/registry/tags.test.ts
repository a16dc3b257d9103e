import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTags } from './tags.ts';

const parsed = (value: unknown) => parseTags(Buffer.from(JSON.stringify(value)));

test('a list of tags is what it has of valid ones; null is an empty list', () => {
  assert.deepEqual(parsed({ name: 'a', tags: ['v1', 'latest', '../x', 7, ''] }), ['v1', 'latest']);
  assert.deepEqual(parsed({ name: 'a', tags: null }), []);
  assert.deepEqual(parsed({}), []);
});

test('a list that is none is refused', () => {
  assert.throws(() => parsed({ tags: 'v1' }), /list of tags is malformed/);
  assert.throws(() => parseTags(Buffer.from('<html>')), /list of tags is malformed/);
});
