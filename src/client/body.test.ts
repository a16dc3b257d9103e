import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyDecoder, LINE_BYTES_MAX } from './body.ts';

const CHUNKED = new Map([['transfer-encoding', 'chunked']]);

function decode(decoder: BodyDecoder, pieces: readonly Buffer[]): Buffer {
  const out: Buffer[] = [];
  for (const piece of pieces) {
    decoder.feed(piece, (bytes) => {
      out.push(Buffer.from(bytes));
      return true;
    });
  }
  return Buffer.concat(out);
}

test('a chunked body comes out whole at any split', () => {
  const property = fc.property(
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
    (chunks, sizes) => {
      const parts = chunks.flatMap((chunk) => [
        Buffer.from(`${chunk.length.toString(16)};ext=1\r\n`),
        Buffer.from(chunk),
        Buffer.from('\r\n'),
      ]);
      const wire = Buffer.concat([...parts, Buffer.from('0\r\nTrailer: x\r\n\r\n')]);
      const pieces: Buffer[] = [];
      for (let at = 0, turn = 0; at < wire.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        pieces.push(wire.subarray(at, at + size));
        at += size;
      }
      const decoder = new BodyDecoder('GET', 200, CHUNKED);
      assert.deepEqual(decode(decoder, pieces), Buffer.concat(chunks));
      assert.equal(decoder.done, true);
    },
  );
  fc.assert(property);
});

test('a body with a length ends there and takes no more', () => {
  const decoder = new BodyDecoder('GET', 200, new Map([['content-length', '3']]));
  assert.equal(decode(decoder, [Buffer.from('ab'), Buffer.from('cdef')]).toString(), 'abc');
  assert.equal(decoder.done, true);
});

test('HEAD, 204 and 304 have no body whatever the headers say', () => {
  const headers = new Map([['content-length', '9']]);
  for (const [method, status] of [
    ['HEAD', 200],
    ['GET', 204],
    ['POST', 304],
  ] as const) {
    assert.equal(new BodyDecoder(method, status, headers).done, true);
  }
});

test('a malformed chunk size, an endless line and a bad length are errors', () => {
  const sink = (): boolean => true;
  const open = (): BodyDecoder => new BodyDecoder('GET', 200, CHUNKED);
  assert.throws(() => open().feed(Buffer.from('xyz\r\n'), sink), /malformed chunk size/);
  assert.throws(() => open().feed(Buffer.alloc(LINE_BYTES_MAX + 1, 49), sink), /too long/);
  assert.throws(() => open().feed(Buffer.from('1\r\naXX\r\n'), sink), /malformed chunk/);
  assert.throws(() => new BodyDecoder('GET', 200, new Map([['content-length', '-1']])));
});
