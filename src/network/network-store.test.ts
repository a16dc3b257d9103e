import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { NetworkStore } from './network-store.ts';
import { plainNetwork } from './testing-network.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-networks-'));
after(() => rm(root, { recursive: true, force: true }));

test('a network whose record cannot be removed is still there', async () => {
  const directory = join(root, 'kept');
  const store = new NetworkStore(directory);
  await store.load();
  const record = plainNetwork({ name: 'net' });
  await store.put(record);
  const path = join(directory, `${record.id}.json`);
  rmSync(path);
  mkdirSync(path); // no file, so that unlink() is refused
  await assert.rejects(store.delete(record));
  assert.deepEqual([store.named('net'), store.byId(record.id)], [record, record]);
  rmSync(path, { recursive: true });
  await store.delete(record);
  assert.deepEqual(store.list(), []);
});
