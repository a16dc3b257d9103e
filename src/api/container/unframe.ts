// Output without a terminal comes in frames (8 bytes: stream, 0, 0, 0, length); a web socket gets
// what is in them, as Docker has it.
import { Transform } from 'node:stream';

const HEADER_BYTES = 8;

export function unframe(): Transform {
  const header = Buffer.alloc(HEADER_BYTES);
  let held = 0;
  let left = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length; ) {
        if (left === 0) {
          const size = chunk.copy(header, held, at, at + HEADER_BYTES - held);
          held += size;
          at += size;
          if (held < HEADER_BYTES) break;
          held = 0;
          left = header.readUInt32BE(4);
        } else {
          const piece = chunk.subarray(at, at + left);
          this.push(piece);
          left -= piece.length;
          at += piece.length;
        }
      }
      done();
    },
  });
}
