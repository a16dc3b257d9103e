import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { frame } from '../hijack.ts';
import { unframe } from './unframe.ts';

test('what is in frames comes out at any split, empty frames too', async () => {
  const wire = Buffer.concat([frame(1, 'one '), frame(2, ''), frame(2, 'two '), frame(1, 'three')]);
  for (let size = 1; size <= wire.length; size += 1) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < wire.length; at += size) pieces.push(wire.subarray(at, at + size));
    assert.equal(await text(Readable.from(pieces).pipe(unframe())), 'one two three');
  }
});
