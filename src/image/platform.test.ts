import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlatform, parsePlatform, type Platform } from './platform.ts';

const platform = (text: string): Platform => {
  const parsed = parsePlatform(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
};

test('one platform is another when only a variant that goes without saying is said', () => {
  const same = (a: string, b: string): boolean => isPlatform(platform(a), platform(b));
  assert.ok(same('linux/arm64', 'linux/arm64/v8'));
  assert.ok(same('linux/amd64/v1', 'linux/amd64'));
  assert.ok(same('linux/arm', 'linux/arm/v7'));
  assert.equal(same('linux/arm', 'linux/arm/v6'), false);
  assert.equal(same('linux/amd64', 'linux/amd64/v3'), false);
  assert.equal(same('linux/amd64', 'linux/386'), false);
});
