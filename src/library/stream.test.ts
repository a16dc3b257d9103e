import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientError } from '#client/error.ts';
import { collect, LINE_BYTES_MAX, type OutputChunk, readLogLines, readOutput } from './stream.ts';

function frame(stream: 1 | 2, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

const unlimited = (): Error => new Error('too much');

test('output comes out by stream at any split of the bytes', async () => {
  const texts = fc.array(fc.tuple(fc.constantFrom(1 as const, 2 as const), fc.string()), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 1, max: 9 }), async (list, size) => {
      const wire = Buffer.concat(list.map(([stream, text]) => frame(stream, text)));
      const pieces: Buffer[] = [];
      for (let at = 0; at < wire.length; at += size) pieces.push(wire.subarray(at, at + size));
      const source = readOutput(Readable.from(pieces), true, undefined);
      const of = (wanted: number): string =>
        Buffer.concat(
          list.filter(([stream]) => stream === wanted).map(([, text]) => Buffer.from(text)),
        ).toString();
      const got = await collect(source, 1e6, unlimited);
      assert.deepEqual(got, { stdout: of(1), stderr: of(2) });
    }),
    { numRuns: 50 },
  );
});

async function* chunks(...list: readonly (readonly [OutputChunk['stream'], string])[]) {
  for (const [stream, text] of list) yield { stream, data: Buffer.from(text) };
}

test('lines of both streams come whole, the last one without a newline', async () => {
  const output = chunks(['stdout', 'a\nb'], ['stderr', 'x'], ['stdout', 'c\r\n'], ['stderr', 'y']);
  const lines = await Array.fromAsync(readLogLines(output, false));
  assert.deepEqual(lines, [
    { stream: 'stdout', text: 'a' },
    { stream: 'stdout', text: 'bc' },
    { stream: 'stderr', text: 'xy' },
  ]);
});

test('timestamps are apart from the text', async () => {
  const output = chunks(['stdout', '2026-01-02T03:04:05.6Z hello  you\n']);
  const lines = await Array.fromAsync(readLogLines(output, true));
  assert.deepEqual(lines, [
    { stream: 'stdout', text: 'hello  you', time: '2026-01-02T03:04:05.6Z' },
  ]);
});

test('an endless line comes in pieces, and endless output is refused where it is collected', async () => {
  const piece = 'x'.repeat(LINE_BYTES_MAX);
  const lines = await Array.fromAsync(
    readLogLines(chunks(['stdout', piece], ['stdout', 'y'], ['stdout', '\nz']), false),
  );
  assert.deepEqual(
    lines.map(({ text }) => text.length),
    [LINE_BYTES_MAX + 1, 0, 1],
  );
  const tooMuch = (limit: number): Error => new Error(`more than ${limit}`);
  await assert.rejects(collect(chunks(['stdout', 'abcd']), 3, tooMuch), /more than 3/);
});

test('a stream that breaks is an error of our class, and one that was aborted says so', async () => {
  const broken = new Readable({ read: () => {} });
  broken.destroy(new Error('reset'));
  await assert.rejects(Array.fromAsync(readOutput(broken, false, undefined)), (error) => {
    assert.ok(error instanceof ClientError);
    return error.code === 'unavailable' && /reset/.test(error.message);
  });
  const stop = AbortSignal.abort();
  const quiet = Readable.from([]);
  await assert.rejects(Array.fromAsync(readOutput(quiet, false, stop)), { code: 'cancelled' });
});
