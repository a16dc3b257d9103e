import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { Deps } from './deps.ts';
import { explain } from './explain.ts';
import { plainRecord } from './testing-record.ts';

test('a network that is just being connected is explained when it is there', async () => {
  const record = plainRecord('a', { status: 'created' });
  let connecting = true;
  const deps = {
    store: { get: () => record, directory: () => tmpdir() },
    locks: new KeyedLock(),
    // It has no root that could be looked at.
    lives: {
      of: () => {
        throw new EngineError('not_found', 'no layer');
      },
    },
    settings: { runDirectory: tmpdir() },
    runtime: { explain: async () => ({ groups: [], totalNanoseconds: 0 }) },
    networks: {
      account: () => {
        assert.ok(!connecting, 'network n was not activated');
        return [];
      },
    },
  } as unknown as Deps;
  let explained: ReturnType<typeof explain>;
  {
    using _connect = await deps.locks.acquire(record.id);
    explained = explain(deps, record.id);
    await new Promise((resolve) => setImmediate(resolve));
    connecting = false;
  }
  assert.equal((await explained).id, record.id);
});
