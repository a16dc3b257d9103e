import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { isEngineError } from '#base/error.ts';
import { bytesOf, chunksOf } from '../../test/fixture/archive.ts';
import { DECOMPRESSION_ALLOWANCE_BYTES, decompress } from './compression.ts';

const text = Buffer.from('hello world '.repeat(10_000));
const inflate = (bytes: Uint8Array, step = 1000) => bytesOf(decompress(chunksOf(bytes, step)));

test('gzip, zstd and plain streams give the same bytes, however they are cut', async () => {
  for (const bytes of [text, gzipSync(text), zstdCompressSync(text)]) {
    for (const step of [1, 7, 100_000]) {
      const some = step === 1 ? bytes.subarray(0, bytes.length) : bytes;
      assert.ok((await inflate(some, step === 1 ? 13 : step)).equals(text));
    }
  }
  assert.equal((await inflate(Buffer.alloc(0))).length, 0);
  assert.equal((await inflate(Buffer.from('ab'))).toString(), 'ab');
});

test('streams of several members or frames are read whole', async () => {
  const twice = Buffer.concat([text, text]);
  assert.ok((await inflate(Buffer.concat([gzipSync(text), gzipSync(text)]))).equals(twice));
  const frames = Buffer.concat([zstdCompressSync(text), zstdCompressSync(text)]);
  assert.ok((await inflate(frames)).equals(twice));
});

test('a cut or damaged stream is corrupt', async () => {
  for (const packed of [gzipSync(text), zstdCompressSync(text)]) {
    await assert.rejects(inflate(packed.subarray(0, packed.length - 9)), (error) =>
      isEngineError(error, 'corrupt'),
    );
    const damaged = Buffer.from(packed);
    damaged.fill(0x55, 4, 16);
    await assert.rejects(inflate(damaged), (error) => isEngineError(error, 'corrupt'));
  }
});

test('a damaged stream is corrupt also while its source still has more', async () => {
  const heads = [
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff],
    [0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff],
  ];
  for (const head of heads) {
    const packed = Buffer.alloc(4 * 1024 * 1024, 0xff);
    Buffer.from(head).copy(packed);
    await assert.rejects(inflate(packed, 65_536), (error) => isEngineError(error, 'corrupt'));
  }
});

test('bzip2 and xz are refused by name', async () => {
  await assert.rejects(inflate(Buffer.from('BZh91AY&SY')), /bzip2 archives are not supported/);
  await assert.rejects(inflate(Buffer.from('fd377a585a0000', 'hex')), /xz archives are not/);
});

test('a bomb is stopped soon after the allowance', { timeout: 30_000 }, async () => {
  const bomb = zstdCompressSync(Buffer.alloc(DECOMPRESSION_ALLOWANCE_BYTES + 64 * 1024 * 1024));
  let seen = 0;
  await assert.rejects(
    async () => {
      for await (const chunk of decompress(chunksOf(bomb))) seen += chunk.length;
    },
    (error) => isEngineError(error, 'limit_exceeded'),
  );
  assert.ok(seen <= DECOMPRESSION_ALLOWANCE_BYTES + 1024 * 1024, String(seen));
});

test('an error of the source comes through as it is', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield gzipSync(text).subarray(0, 50);
    throw new Error('the sender went away');
  }
  await assert.rejects(bytesOf(decompress(failing())), /the sender went away/);
});
