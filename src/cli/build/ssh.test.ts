import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseSsh, SSH_IDS_MAX } from './ssh.ts';

test('--ssh is the agent of the environment, a socket, or keys, each with its id', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-ssh-flag-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [socket, key] = [join(folder, 'agent'), join(folder, 'key')];
  const server = createServer().listen(socket);
  t.after(() => server.close());
  await once(server, 'listening');
  writeFileSync(key, 'a key');
  const env = { SSH_AUTH_SOCK: socket };
  const parse = (...texts: readonly string[]) => parseSsh(texts, env);
  assert.deepEqual(parse(), []);
  assert.deepEqual(parse('default'), [{ id: 'default', socket }]);
  assert.deepEqual(parse('work='), [{ id: 'work', socket }]);
  assert.deepEqual(parse(`a=${socket}`, `b=${key},${key}`, `=${key}`), [
    { id: 'a', socket },
    { id: 'b', keys: [key, key] },
    { id: 'default', keys: [key] },
  ]);
  for (const [texts, message] of [
    [['default', 'default'], /invalid duplicate ssh agent "default"/],
    [[`a=${socket},${key}`], /ssh agent a: only one socket/],
    [[`a=${folder}/none`], /ssh agent a: ENOENT/],
    [Array.from({ length: SSH_IDS_MAX + 1 }, (_, at) => `id${at}`), /more than 64 ssh agents/],
  ] as const) {
    assert.throws(() => parse(...texts), message);
  }
  assert.throws(() => parseSsh(['x'], {}), /invalid empty ssh agent socket: .*--ssh x=SOCKET/);
});
