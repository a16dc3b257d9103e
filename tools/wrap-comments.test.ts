import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wrapComments } from './wrap-comments.ts';

const LONG = 'word '.repeat(25).trim();

test('words that do not fit move to the next line of the paragraph', () => {
  const wrapped = wrapComments(`// ${LONG}\n// and more.\ncode();`);
  assert.deepEqual(
    wrapped.split('\n').map((line) => line.length <= 100),
    [true, true, true],
  );
  assert.match(wrapped, /word and more\.\ncode\(\);$/);
});

test('an item below keeps its line', () => {
  assert.match(
    wrapComments(`  // ${LONG}\n  // - item`),
    /\n {2}\/\/ word word[^\n]*\n {2}\/\/ - item$/,
  );
});

test('a one-line doc comment becomes a block', () => {
  assert.match(
    wrapComments(`  /** ${LONG} */`),
    /^ {2}\/\*\*\n {3}\* word[^\n]*\n {3}\* word[^\n]*\n {3}\*\/$/,
  );
});

test('code and text without a space are left alone', () => {
  const code = `const text = '${LONG}';`;
  const url = `// ${'x'.repeat(120)}`;
  assert.equal(wrapComments(code), code);
  assert.equal(wrapComments(url), url);
});
