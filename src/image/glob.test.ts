import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGlob } from './glob.ts';

const matches = (pattern: string, text: string) => compileGlob(pattern)?.(text);

test('a star and a question mark stop at a slash', () => {
  assert.equal(matches('a*', 'abc'), true);
  assert.equal(matches('a*', 'a/b'), false);
  assert.equal(matches('*/b', 'a/b'), true);
  assert.equal(matches('a?', 'ab'), true);
  assert.equal(matches('a?', 'a/'), false);
});

test('sets, ranges, negation and escapes', () => {
  assert.equal(matches('[ab]:1', 'b:1'), true);
  assert.equal(matches('[a-c]', 'b'), true);
  assert.equal(matches('[^a-c]', 'b'), false);
  assert.equal(matches('[^a]', '/'), false);
  assert.equal(matches('a\\*', 'a*'), true);
  assert.equal(matches('a\\*', 'ab'), false);
  assert.equal(matches('a.b', 'axb'), false);
});

test('a malformed pattern is no pattern', () => {
  for (const pattern of ['[', '[]', '[a', 'a\\', '[b-a]']) {
    assert.equal(compileGlob(pattern), undefined, pattern);
  }
});

test('many stars do not blow up', { timeout: 5000 }, () => {
  assert.equal(matches('*'.repeat(1000), 'x'.repeat(1000)), true);
  assert.equal(matches(`${'a*'.repeat(12)}b`, 'a'.repeat(60)), false);
});
