import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { encodeParts, PartReader } from './parts.ts';

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function collect(from: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const each of from) all.push(each);
  return Buffer.concat(all);
}

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('parts are read as they were written, however the body is cut', async () => {
  const body = await collect(encodeParts([chunks('one', '', ' more'), chunks(), chunks('three')]));
  for (const size of [1, 2, 3, 5, 100]) {
    const reader = new PartReader(cut(body, size), 3);
    const read: string[] = [];
    for (let at = 0; at < 3; at += 1) read.push((await collect(reader.part())).toString());
    assert.deepEqual(read, ['one more', '', 'three']);
  }
});

test('what is not read of a part is skipped', async () => {
  const body = await collect(encodeParts([chunks('abc', 'def'), chunks('next')]));
  const reader = new PartReader(cut(body, 2), 2);
  for await (const piece of reader.part()) {
    assert.equal(piece.length, 2);
    break;
  }
  assert.equal((await collect(reader.part())).toString(), 'next');
});

test('a body that ends early, or goes on, is an error', async () => {
  const body = await collect(encodeParts([chunks('abc')]));
  const reader = new PartReader(cut(body.subarray(0, -1), 100), 1);
  await assert.rejects(collect(reader.part()), (error) => isEngineError(error, 'invalid_argument'));
  const longer = new PartReader(cut(Buffer.concat([body, Buffer.from('x')]), 1), 1);
  await assert.rejects(collect(longer.part()), /goes on behind its last build context/);
});
