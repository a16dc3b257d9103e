import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ignore } from './ignore.ts';

function excluded(text: string, paths: readonly string[]): readonly string[] {
  const ignore = Ignore.parse(text);
  return paths.filter((path) => ignore.excludes(path));
}

test('a pattern leaves out what it names and all below it, at the root only', () => {
  assert.deepEqual(excluded('node_modules\n/dist/', ['node_modules', 'a/node_modules', 'dist/x']), [
    'node_modules',
    'dist/x',
  ]);
});

test('stars stay in one directory, two of them do not', () => {
  const paths = ['a.log', 'x/a.log', 'x/y/a.log', 'x/y/b', 'log'];
  assert.deepEqual(excluded('*.log', paths), ['a.log']);
  assert.deepEqual(excluded('*/*.log', paths), ['x/a.log']);
  assert.deepEqual(excluded('**/*.log', paths), ['a.log', 'x/a.log', 'x/y/a.log']);
  assert.deepEqual(excluded('x/**', paths), ['x/a.log', 'x/y/a.log', 'x/y/b']);
  assert.deepEqual(excluded('x/**/b', paths), ['x/y/b']);
  assert.deepEqual(excluded('**', paths), paths);
});

test('the last pattern that fits decides', () => {
  const paths = ['a.md', 'README.md', 'README-secret.md'];
  assert.deepEqual(excluded('*.md\n!README*.md\nREADME-secret.md', paths), [
    'a.md',
    'README-secret.md',
  ]);
  assert.deepEqual(excluded('*.md\nREADME-secret.md\n!README*.md', paths), ['a.md']);
  assert.deepEqual(excluded('*\n!src/keep', ['src/keep/x', 'src/other', 'top']), [
    'src/other',
    'top',
  ]);
});

test('comments, blanks, carriage returns and the dot mean nothing', () => {
  assert.equal(Ignore.parse('# a\n\r\n  \n.\n/\n').empty, true);
  assert.deepEqual(excluded('  ./a/../b  \r\n', ['a', 'b']), ['b']);
  assert.deepEqual(excluded(' # not a comment', ['# not a comment']), ['# not a comment']);
});

test('classes and escapes are those of Go', () => {
  assert.deepEqual(excluded('[a-c]x\n[^a-c]y\n\\*z', ['bx', 'dx', 'by', 'dy', '*z', 'az']), [
    'bx',
    'dy',
    '*z',
  ]);
  assert.deepEqual(excluded('[]-]q', [']q', '-q', 'aq']), [']q', '-q']);
  assert.throws(() => Ignore.parse('[a'), /syntax error in pattern/);
  assert.throws(() => Ignore.parse('!'), /illegal exclusion pattern/);
});

test('a directory need not be read when nothing in it is taken back', () => {
  assert.equal(Ignore.parse('a').excludesAll('a'), true);
  assert.equal(Ignore.parse('a\n!a/b').excludesAll('a'), false);
});

test('a hostile pattern takes no time', () => {
  const ignore = Ignore.parse(`${'**/a'.repeat(8)}*b`);
  const startedAt = performance.now();
  assert.equal(ignore.excludes(`${'a/'.repeat(60)}c`), false);
  assert.ok(performance.now() - startedAt < 20_000, 'it tries each way, which takes for ever');
});
