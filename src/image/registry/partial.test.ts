import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sha256 } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import { PartialFile } from './partial.ts';

const folder = mkdtempSync(join(tmpdir(), 'partial-'));
after(() => rmSync(folder, { recursive: true }));
const { signal } = new AbortController();
const bytes = randomBytes(3 * 1024 * 1024 + 17);

async function put(file: string, from: number, to: number): Promise<string> {
  using partial = await PartialFile.open(file, bytes.length, signal);
  assert.equal(partial.have, from);
  for (let at = from; at < to; at += 65_521) {
    partial.append(bytes.subarray(at, Math.min(to, at + 65_521)));
  }
  return to === bytes.length ? partial.digest() : '';
}

test('a file grows in parts, over several openings, and has the digest of the whole', async () => {
  const file = join(folder, 'parts');
  const ends = [1, 1024 * 1024, 1024 * 1024 + 1, 2_500_000, bytes.length];
  let from = 0;
  let digest = '';
  for (const to of ends) {
    digest = await put(file, from, to);
    assert.equal(statSync(file).size, to);
    from = to;
  }
  assert.equal(digest, sha256(bytes));
  assert.ok(readFileSync(file).equals(bytes));
});

test('a file that is longer than its blob is begun again', async () => {
  const file = join(folder, 'long');
  writeFileSync(file, 'much too long');
  using partial = await PartialFile.open(file, 3, signal);
  assert.equal(partial.have, 0);
  partial.append(Buffer.from('abc'));
  assert.equal(partial.digest(), sha256('abc'));
  partial.restart();
  assert.equal(partial.have, 0);
  assert.equal(statSync(file).size, 0);
});

test('a full disk is told as such, by who appends or flushes', async () => {
  using partial = await PartialFile.open('/dev/full', 3 * 1024 * 1024, signal);
  const whole = async () => {
    partial.append(bytes.subarray(0, 3 * 1024 * 1024));
    partial.flush();
  };
  await assert.rejects(
    whole,
    (error) => isEngineError(error, 'kernel_refused') && /no space left/.test(error.message),
  );
});

test('hashing what is there ends when nobody wants it any more', async () => {
  const file = join(folder, 'aborted');
  writeFileSync(file, bytes);
  const abort = AbortSignal.abort(new Error('gave up'));
  await assert.rejects(PartialFile.open(file, bytes.length, abort), /gave up/);
});
