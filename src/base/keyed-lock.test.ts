import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedLock } from './keyed-lock.ts';

test('who gives up waiting does not keep the key from the next', async () => {
  const locks = new KeyedLock();
  const first = await locks.acquire('k');
  const abort = new AbortController();
  const second = locks.acquire('k', abort.signal);
  const third = locks.acquire('k', new AbortController().signal);
  abort.abort(new Error('gone'));
  await assert.rejects(second, /gone/);
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(locks.busy('k'), false);
});

test('a signal that was given before is heard at once', async () => {
  const locks = new KeyedLock();
  await assert.rejects(locks.acquire('k', AbortSignal.abort(new Error('gone'))), /gone/);
  (await locks.acquire('k'))[Symbol.dispose]();
});
