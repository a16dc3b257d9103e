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

test('a star may take anything up to the slash, whatever follows it', () => {
  assert.equal(matches('*a*b', 'xaab'), true);
  assert.equal(matches('*a/*b', 'xaa/ab'), true);
  assert.equal(matches('*a*/b', 'a/a/b'), false);
  assert.equal(matches('*', ''), true);
  assert.equal(matches('a*', 'a'), true);
  assert.equal(matches('*ab', 'aab'), true);
});

test('many stars do not blow up', () => {
  const startedAt = performance.now();
  assert.equal(matches('*'.repeat(1000), 'x'.repeat(1000)), true);
  assert.equal(matches(`${'a*'.repeat(500)}b`, 'a'.repeat(1000)), false);
  assert.ok(performance.now() - startedAt < 20_000, 'it tries each way, which takes for ever');
});
