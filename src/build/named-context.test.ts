import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { encodeTar } from '#tar/encode.ts';
import { Context } from './context.ts';
import { contextName } from './named-context.ts';

test('what names no context is told from what does', () => {
  assert.equal(contextName('docker.io/library/docs:latest'), 'docs');
  assert.equal(contextName('docs:1'), 'docs:1');
  for (const name of ['', 'scratch', 'SCRATCH', 'context', '0', 'Docs', 'a b']) {
    assert.equal(contextName(name), undefined, name);
  }
});

test('a context has no more entries than others have left, and leaves nothing when it has', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-context-'));
  const archive = () =>
    encodeTar(['a', 'b'].map((path) => ({ kind: 'dir', path, mode: 0o755 }) as const));
  const { signal } = new AbortController();
  try {
    await using context = await Context.receive(archive(), folder, 'enough', signal, 2);
    assert.equal(context.entries, 2);
    await assert.rejects(Context.receive(archive(), folder, 'less', signal, 1), (error) =>
      isEngineError(error, 'limit_exceeded'),
    );
    assert.deepEqual(await readdir(folder), ['enough']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
