import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BACKOFF_MS_MAX, backoffMs, isPassing, RETRY_AFTER_MS_MAX, retryAfterMs } from './retry.ts';

test('busy and broken servers are asked again, refusals are not', () => {
  for (const status of [408, 429, 500, 502, 503, 504, 520])
    assert.ok(isPassing(status), `${status}`);
  for (const status of [200, 400, 401, 403, 404, 416, 501, 505])
    assert.ok(!isPassing(status), `${status}`);
});

test('Retry-After is seconds or a date, and has a limit', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(retryAfterMs('3', now), 3000);
  assert.equal(retryAfterMs(' 0 ', now), 0);
  assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:05 GMT', now), 5000);
  assert.equal(retryAfterMs('Thu, 01 Jan 2015 00:00:05 GMT', now), 0);
  assert.equal(retryAfterMs('999999999', now), RETRY_AFTER_MS_MAX);
  assert.equal(retryAfterMs('soon', now), undefined);
  assert.equal(retryAfterMs(undefined, now), undefined);
});

test('each wait is about twice the one before, up to a limit', () => {
  assert.deepEqual(
    [1, 2, 3, 4].map((attempt) => backoffMs(attempt, 1000, 1)),
    [1000, 2000, 4000, 8000],
  );
  assert.equal(backoffMs(2, 1000, 0), 1000);
  assert.equal(backoffMs(1000, 1000, 1), BACKOFF_MS_MAX);
});
