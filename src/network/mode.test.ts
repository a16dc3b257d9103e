import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNetworkMode } from './mode.ts';

test('the default network is none', () => {
  assert.deepEqual(parseNetworkMode('default'), { mode: 'none' });
  assert.deepEqual(parseNetworkMode(''), { mode: 'none' });
});

test('host and container:ID are taken as they are', () => {
  assert.deepEqual(parseNetworkMode('host'), { mode: 'host' });
  assert.deepEqual(parseNetworkMode('container:db'), { mode: 'container', container: 'db' });
});

test('bridge and user networks are refused with a text that says what is possible', () => {
  for (const name of ['bridge', 'mynet']) {
    const parse = () => parseNetworkMode(name);
    assert.throws(parse, { code: 'not_implemented', message: /none, host or container:ID/ });
  }
  assert.throws(() => parseNetworkMode('container:'), { code: 'invalid_argument' });
});
