import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime, parseMoment } from './clock.ts';

test('a moment is seconds since 1970, a date, or how long ago', () => {
  const from = 10_000_000_000_000n;
  assert.equal(parseMoment('12.5', from), 12_500_000_000n);
  assert.equal(parseMoment('1970-01-01T00:00:01+00:00', from), 1_000_000_000n);
  assert.equal(parseMoment('1h30m', from), from - 5_400_000_000_000n);
  assert.equal(parseMoment('1.5s', from), from - 1_500_000_000n);
  assert.equal(parseMoment('10ms', from), from - 10_000_000n);
  for (const text of ['', 'h', '1d', '1h ', 'yesterday']) {
    assert.equal(parseMoment(text, from), undefined, text);
  }
});

test('a time before 1970, or of no year that can be written, has a text too', () => {
  assert.equal(formatTime(-1n), '1969-12-31T23:59:59.999999999Z');
  assert.equal(formatTime(-1_500_000_000n), '1969-12-31T23:59:58.5Z');
  assert.equal(formatTime(-(2n ** 63n) * 1_000_000_000n), '0000-01-01T00:00:00Z');
  assert.equal(formatTime(2n ** 63n * 1_000_000_000n), '9999-12-31T23:59:59.999999999Z');
});
