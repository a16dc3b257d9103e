// Where the daemon listens, by what was said and what systemd hands over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHosts } from './sockets.ts';

const FALLBACK = 'unix:///run/x.sock';
const fd = { kind: 'fd', fd: 3 } as const;

test('without a word about hosts systemd’s sockets are served, or else the default one', () => {
  assert.deepEqual(parseHosts(undefined, [3], FALLBACK), [fd]);
  assert.deepEqual(parseHosts(undefined, [], FALLBACK), [{ kind: 'path', path: '/run/x.sock' }]);
});

test('hosts that a flag or the file names are served, also when systemd hands a socket over', () => {
  const hosts = ['tcp://127.0.0.1:2375', 'fd://'];
  const tcp = { kind: 'tcp', host: '127.0.0.1', port: 2375 };
  assert.deepEqual(parseHosts(hosts, [3], FALLBACK), [tcp, fd]);
  assert.throws(() => parseHosts(hosts, [], FALLBACK), /no sockets found via socket activation/);
});
