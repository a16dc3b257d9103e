import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChmod } from './chmod.ts';

const PLACE = { start: 1, end: 1 };

test('--chmod takes numbers and what chmod(1) takes', () => {
  const cases: readonly (readonly [string, number, boolean, number])[] = [
    ['755', 0o600, false, 0o755],
    ['0644', 0o777, true, 0o644],
    ['4755', 0, false, 0o4755],
    ['u=rwX,go=rX', 0o600, false, 0o644],
    ['u=rwX,go=rX', 0o700, true, 0o755],
    ['u=rwX,go=rX', 0o700, false, 0o755],
    ['a-w', 0o666, false, 0o444],
    ['+x', 0o644, false, 0o755],
    ['g+w,o-rwx', 0o644, false, 0o660],
    ['g=u', 0o640, false, 0o660],
    ['u+s,g+s,+t', 0o755, true, 0o7755],
    ['u=rw-r', 0o000, false, 0o200],
  ];
  for (const [text, mode, isDirectory, wanted] of cases) {
    const found = parseChmod(text, PLACE)?.(mode, isDirectory) ?? -1;
    assert.equal(found.toString(8), wanted.toString(8), `${text} of ${mode.toString(8)}`);
  }
  assert.equal(parseChmod('', PLACE), undefined);
  for (const text of ['8', '99999', 'rw', 'u=q', 'u', ',']) {
    assert.throws(() => parseChmod(text, PLACE), /invalid chmod parameter/, text);
  }
});
