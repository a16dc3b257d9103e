import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkGrowth, decodeLimit, parseLimit } from './limit.ts';

test('a size is in whole blocks and in a range', () => {
  assert.equal(parseLimit('4m'), 4 * 1024 * 1024);
  assert.equal(parseLimit('5000000'), 4_997_120);
  const refused = (text: string) =>
    assert.throws(() => parseLimit(text), {
      code: 'invalid_argument',
      message: new RegExp(`^invalid size: '${text}'`),
    });
  for (const text of ['0', '1k', '17t', 'x', '-1']) refused(text);
});

test('a limit only grows', () => {
  assert.doesNotThrow(() => checkGrowth('it', 10, 10));
  assert.throws(() => checkGrowth('it', 10, 9), {
    message: /^cannot shrink it from 10 to 9 bytes/,
  });
});

test('a limit of a record is read or named as corrupt', () => {
  assert.equal(decodeLimit(undefined), undefined);
  assert.deepEqual(decodeLimit({ kind: 'disk', bytes: 1 }), { kind: 'disk', bytes: 1 });
  const quota = { kind: 'quota', bytes: 1, project: 7 };
  assert.deepEqual(decodeLimit(quota), quota);
  for (const bad of [{ kind: 'disk' }, { kind: 'quota', bytes: 1 }, { kind: 'x', bytes: 1 }, 5]) {
    assert.throws(() => decodeLimit(bad), { code: 'corrupt' });
  }
});
