import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Digest, hexOf, sha256 } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import { bytesOf, chunksOf } from '../../../test/fixture/archive.ts';
import { ContentStore } from './content.ts';

const signal = new AbortController().signal;
const bytes = Buffer.from('some content '.repeat(100_000));

async function inFolder(
  run: (folder: string, store: ContentStore) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-content-'));
  try {
    await run(folder, await ContentStore.open(folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('content is a blob only after commit, and then also for the next life', () =>
  inFolder(async (folder, store) => {
    const digest = sha256(bytes);
    {
      await using ingest = await store.ingest(chunksOf(bytes, 70_000), { signal });
      assert.equal(ingest.digest, digest);
      assert.equal(ingest.size, bytes.length);
      assert.equal(store.has(digest), false);
      await ingest.commit();
      await ingest.commit();
      assert.equal(ingest.path, store.path(digest));
    }
    assert.deepEqual(readdirSync(join(folder, 'ingest')), ['partial']);
    const again = await ContentStore.open(folder);
    assert.ok(again.has(digest));
    assert.ok((await bytesOf(again.stream(digest))).equals(bytes));
    assert.ok((await again.read(digest, 1e9)).equals(bytes));
    await again.remove(digest);
    assert.deepEqual(readdirSync(join(folder, 'blobs/sha256')), []);
  }));

test('wrong digest, wrong size, too much: refused, and nothing is left', () =>
  inFolder(async (folder, store) => {
    const wrong = (options: { digest?: Digest; size?: number; bytesMax?: number }) =>
      store.ingest(chunksOf(bytes), { signal, ...options });
    await assert.rejects(wrong({ digest: sha256('x') }), (error) =>
      isEngineError(error, 'corrupt'),
    );
    await assert.rejects(wrong({ size: bytes.length + 1 }), (error) =>
      isEngineError(error, 'corrupt'),
    );
    await assert.rejects(wrong({ size: 5 }), (error) => isEngineError(error, 'limit_exceeded'));
    await assert.rejects(wrong({ bytesMax: 10 }), (error) =>
      isEngineError(error, 'limit_exceeded'),
    );
    assert.deepEqual(readdirSync(join(folder, 'ingest')), ['partial']);
  }));

test('a blob that rotted is not read', () =>
  inFolder(async (folder, store) => {
    const digest = sha256(bytes);
    writeFileSync(join(folder, 'blobs/sha256', hexOf(digest)), 'other');
    await assert.rejects(store.read(digest, 1e6), (error) => isEngineError(error, 'corrupt'));
    await assert.rejects(store.read(sha256('no'), 9), (error) => isEngineError(error, 'not_found'));
  }));

test('what an earlier life was receiving is removed', () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'ingest/half'), 'half');
    await ContentStore.open(folder);
    assert.deepEqual(readdirSync(join(folder, 'ingest')), ['partial']);
  }));
