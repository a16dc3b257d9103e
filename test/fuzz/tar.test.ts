// Mutated archives: whatever the bytes are, the decoder and the extractor answer with entries or
// with an EngineError, soon, and no name that they let through leaves the layer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '#base/error.ts';
import { applyLayer } from '#image/layer/apply.ts';
import { decodeTar } from '#tar/decode.ts';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { bytesOf, chunksOf, tar } from '../fixture/archive.ts';
import { MemoryTree } from '../fixture/memory-tree.ts';

const signal = new AbortController().signal;

const byteText = (max: number) =>
  fc.string({
    unit: fc.integer({ min: 1, max: 255 }).map((n) => String.fromCharCode(n)),
    maxLength: max,
  });
const name = fc.oneof(
  byteText(300).filter((text) => text !== ''),
  fc
    .array(
      fc.constantFrom('..', '.', 'a', 'b', '.wh.', '.wh.a', '.wh..wh..opq', '', 'x'.repeat(90)),
      {
        minLength: 1,
        maxLength: 12,
      },
    )
    .map((parts) => parts.join('/'))
    .filter((text) => text !== ''),
);
const item: fc.Arbitrary<EncodeItem> = fc.record({
  kind: fc.constantFrom('file', 'dir', 'symlink', 'link', 'char', 'block', 'fifo' as const),
  path: name,
  linkPath: name,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
  gid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
  mtime: fc.bigInt({ min: -(2n ** 60n), max: 2n ** 62n }),
  body: fc.uint8Array({ maxLength: 1500 }),
  xattrs: fc
    .array(
      fc.tuple(
        byteText(20).filter((k) => k !== '' && !k.includes('=')),
        fc.uint8Array({ minLength: 1, maxLength: 50 }),
      ),
      { maxLength: 3 },
    )
    .map((pairs) => new Map(pairs)),
});

async function survive(bytes: Uint8Array): Promise<void> {
  const tree = new MemoryTree();
  try {
    await applyLayer(chunksOf(bytes, 333), tree, { lower: [], signal });
  } catch (error) {
    assert.ok(error instanceof EngineError, String(error));
    assert.notEqual(error.code, 'internal', error.message);
  }
  for (const path of tree.entries.keys()) {
    assert.ok(!path.startsWith('/') && !path.split('/').includes('..'), JSON.stringify(path));
    assert.ok(!path.includes('\0') && !path.includes('//'), JSON.stringify(path));
  }
}

test('whatever is encoded is decoded to the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { maxLength: 8 }),
      fc.integer({ min: 1, max: 2000 }),
      async (items, step) => {
        const bytes = await bytesOf(encodeTar(items));
        let i = 0;
        for await (const entry of decodeTar(chunksOf(bytes, step))) {
          const wanted = items[i++];
          assert.ok(wanted !== undefined);
          const slash = wanted.kind === 'dir' && !wanted.path.endsWith('/') ? '/' : '';
          assert.equal(entry.path, wanted.path + slash);
          assert.equal(entry.linkPath, wanted.linkPath);
          assert.equal(entry.mode, wanted.mode);
          assert.equal(entry.uid, wanted.uid);
          assert.equal(entry.gid, wanted.gid);
          assert.equal(entry.mtime, wanted.mtime);
          assert.deepEqual(
            [...entry.xattrs].map(([key, value]) => [key, [...value]]),
            [...(wanted.xattrs ?? [])].map(([key, value]) => [key, [...value]]),
          );
          const parts: Uint8Array[] = [];
          for await (const piece of entry.body) if (piece instanceof Uint8Array) parts.push(piece);
          if (entry.kind === 'file')
            assert.deepEqual(Buffer.concat(parts), Buffer.from(wanted.body as Uint8Array));
        }
        assert.equal(i, items.length);
      },
    ),
    { numRuns: 300 },
  );
});

test('archives with hostile names are unpacked inside the layer or refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(item, { maxLength: 8 }), async (items) => survive(await tar(items))),
    { numRuns: 500 },
  );
});

test('archives with flipped bytes end in entries or an error', async () => {
  const flip = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { minLength: 1, maxLength: 4 }),
      fc.array(flip, { maxLength: 6 }),
      fc.boolean(),
      async (items, flips, repair) => {
        const bytes = Buffer.from(await tar(items));
        for (const [at, value] of flips) bytes[at % bytes.length] = value;
        if (repair) repairChecksums(bytes);
        await survive(bytes);
      },
    ),
    { numRuns: 1500 },
  );
});

/** Makes headers valid again, so that the flipped bytes reach the parsers behind the checksum. */
function repairChecksums(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(0x20, 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
}

test('random bytes are refused', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), survive), { numRuns: 300 });
});
