import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUserDefined, parseNetworkMode } from './mode.ts';

test('who names no network gets the default bridge, or none where the daemon has no bridge', () => {
  for (const text of ['', 'default', 'bridge']) {
    assert.deepEqual(parseNetworkMode(text), { mode: 'network', network: 'bridge' });
    assert.deepEqual(parseNetworkMode(text, true), { mode: 'none' });
  }
});

test('host, none and container:ID are no networks to connect to', () => {
  assert.deepEqual(parseNetworkMode('host'), { mode: 'host' });
  assert.deepEqual(parseNetworkMode('none'), { mode: 'none' });
  assert.deepEqual(parseNetworkMode('container:db'), { mode: 'container', container: 'db' });
  const message = 'invalid container format container:<name|id>';
  assert.throws(() => parseNetworkMode('container:'), { code: 'invalid_argument', message });
});

test('every other name is a network of a user, also without a default bridge', () => {
  const mode = { mode: 'network', network: 'mynet' };
  assert.deepEqual(parseNetworkMode('mynet'), mode);
  assert.deepEqual(parseNetworkMode('mynet', true), mode);
  assert.deepEqual(['mynet', 'bridge', 'host', 'none'].map(isUserDefined), [
    true,
    false,
    false,
    false,
  ]);
});
