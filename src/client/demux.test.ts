import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Demux } from './demux.ts';

function frame(stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

test('frames come out by stream at any split of the bytes', () => {
  const frames = fc.array(
    fc.record({
      stream: fc.constantFrom(1, 2),
      payload: fc.uint8Array({ maxLength: 30 }),
    }),
    { maxLength: 8 },
  );
  const property = fc.property(frames, fc.integer({ min: 1, max: 11 }), (list, size) => {
    const wire = Buffer.concat(list.map(({ stream, payload }) => frame(stream, payload)));
    const got = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const demux = new Demux((stream, piece) => got[stream].push(Buffer.from(piece)));
    for (let at = 0; at < wire.length; at += size) demux.feed(wire.subarray(at, at + size));
    demux.end();
    const of = (stream: number): Buffer =>
      Buffer.concat(list.filter((each) => each.stream === stream).map(({ payload }) => payload));
    assert.deepEqual(Buffer.concat(got.stdout), of(1));
    assert.deepEqual(Buffer.concat(got.stderr), of(2));
  });
  fc.assert(property);
});

test('an error that comes in band is thrown at the end', () => {
  const demux = new Demux(() => assert.fail('no output expected'));
  demux.feed(frame(3, Buffer.from('disk full')));
  assert.throws(() => demux.end(), /error from daemon in stream: disk full/);
});

test('an unknown stream and a cut frame are errors', () => {
  const demux = new Demux(() => {});
  assert.throws(() => demux.feed(frame(9, Buffer.from('x'))), /Unrecognized input header: 9/);
  const cut = new Demux(() => {});
  cut.feed(frame(1, Buffer.from('abc')).subarray(0, 9));
  assert.throws(() => cut.end(), /middle of a frame/);
});
