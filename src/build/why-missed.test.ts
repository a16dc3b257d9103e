import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '#base/digest.ts';
import type { ChainId } from '#snapshot/chain.ts';
import { whyMissed } from './why-missed.ts';

test('a miss is explained by what is the same and what is not', () => {
  const here = sha256(Buffer.from('here')) as ChainId;
  const there = sha256(Buffer.from('there')) as ChainId;
  const copy = (letter: string): string => `COPY file:${letter.repeat(64)} in /x`;
  const entries = [
    { createdBy: 'RUN a', parent: here },
    { createdBy: copy('a'), parent: here },
  ];
  const why = (createdBy: string, parent: ChainId): string =>
    whyMissed(entries, parent, { createdBy });
  assert.match(why('RUN a', here), /config before it/);
  assert.match(why('RUN a', there), /files before it/);
  assert.match(why(copy('b'), here), /files that it copies/);
  assert.match(why('RUN b', here), /not built here before/);
});
