import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { bytesOf, chunksOf, file, tar } from '../../test/fixture/archive.ts';
import type { SeekableSource } from './byte-reader.ts';
import { decodeTar, type EntryKind } from './decode.ts';
import { encodeHeader, encodeTar, TRAILER } from './encode.ts';
import { checksumOf } from './header.ts';
import { encodePaxRecord } from './pax.ts';

type Read = { kind: EntryKind; path: string; linkPath: string; size: number; text: string };

async function read(bytes: Uint8Array, step = 700): Promise<Read[]> {
  const all: Read[] = [];
  for await (const entry of decodeTar(chunksOf(bytes, step))) {
    let text = '';
    for await (const piece of entry.body) {
      text +=
        piece instanceof Uint8Array ? Buffer.from(piece).toString('latin1') : `<${piece.hole}>`;
    }
    all.push({
      kind: entry.kind,
      path: entry.path,
      linkPath: entry.linkPath,
      size: entry.size,
      text,
    });
  }
  return all;
}

/** A pax header with these records in front of a file. */
function withPax(records: string, body = 'x'): Buffer {
  const pax = Buffer.from(records, 'latin1');
  const head = encodeHeader({ kind: 'file', path: 'pax', mode: 0o644, size: pax.length });
  head[156] = 'x'.charCodeAt(0);
  head.write(`${checksumOf(head).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const pad = (bytes: Buffer) =>
    Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
  const main = encodeHeader({ kind: 'file', path: 'f', mode: 0o644, size: body.length });
  return Buffer.concat([head, pad(pax), main, pad(Buffer.from(body)), TRAILER]);
}

function raw(change: (block: Buffer) => void): Buffer {
  const block = encodeHeader({ kind: 'file', path: 'f', mode: 0o644, size: 0 });
  change(block);
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([block, TRAILER]);
}

const refused = (code: 'corrupt' | 'limit_exceeded', text: RegExp) => (error: unknown) =>
  isEngineError(error, code) && text.test(error.message);

test('what the encoder writes the decoder reads: long, non-ASCII and non-UTF-8 names, times, ids', async () => {
  const entry = {
    kind: 'file' as const,
    path: `${'d/'.repeat(120)}\xff\n${'n'.repeat(150)}`,
    mode: 0o4755,
    uid: 3_000_000_000,
    gid: 9_000_000,
    mtime: -1_500_000_000n,
    xattrs: new Map([['security.capability', Buffer.from([1, 0, 0, 2, 10, 61])]]),
    body: Buffer.from('hello'),
  };
  let seen = 0;
  for await (const found of decodeTar(encodeTar([entry]))) {
    seen += 1;
    assert.equal(found.path, entry.path);
    assert.equal(found.mode, entry.mode);
    assert.equal(found.uid, entry.uid);
    assert.equal(found.gid, entry.gid);
    assert.equal(found.mtime, entry.mtime);
    assert.equal(found.size, 5);
    assert.deepEqual([...found.xattrs.values()], [...entry.xattrs.values()]);
  }
  assert.equal(seen, 1);
});

test('a body that is not read is skipped, and one that is read late fails', async () => {
  const bytes = await tar([file('a', 'x'.repeat(5000)), file('b', 'second')]);
  const bodies: AsyncIterable<unknown>[] = [];
  const names: string[] = [];
  for await (const entry of decodeTar(chunksOf(bytes, 100))) {
    names.push(entry.path);
    bodies.push(entry.body);
  }
  assert.deepEqual(names, ['a', 'b']);
  await assert.rejects(
    async () => {
      for await (const _ of bodies[0] ?? []);
    },
    refused('corrupt', /has passed/),
  );
});

test('an archive cut anywhere is refused', async () => {
  const bytes = await tar([file('a', 'x'.repeat(700)), file('n'.repeat(150), 'second')]);
  const whole = await read(bytes);
  assert.equal(whole.length, 2);
  for (let length = 171; length < bytes.length - 1024; length += 171) {
    await assert.rejects(read(bytes.subarray(0, length)), refused('corrupt', /end of archive/));
  }
});

test('the zero blocks at the end may be missing, and an empty file is an empty archive', async () => {
  const bytes = (await tar([file('a', 'b')])).subarray(0, 1024);
  assert.equal((await read(bytes)).length, 1);
  assert.equal((await read(bytes.subarray(0, 0))).length, 0);
});

test('a flipped bit in a header is refused', async () => {
  const bytes = await tar([file('a', 'b')]);
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  await assert.rejects(read(bytes), refused('corrupt', /checksum/));
});

test('data after a zero block is refused', async () => {
  const one = await tar([file('a', '')]);
  const bytes = Buffer.concat([one.subarray(0, 512), Buffer.alloc(512), one]);
  await assert.rejects(read(bytes), refused('corrupt', /zero block/));
});

test('base-256 numbers are read, absurd and negative sizes are refused', async () => {
  const huge = raw((block) => block.set([0x80, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0], 124));
  await assert.rejects(read(huge), refused('limit_exceeded', /ENTRY_BYTES_MAX/));
  const negative = raw((block) => block.fill(0xff, 124, 136));
  await assert.rejects(read(negative), refused('corrupt', /negative size/));
  const noise = raw((block) => block.write('zzzzzzzzzzz', 124));
  await assert.rejects(read(noise), refused('corrupt', /size field/));
  const id = raw((block) => block.set([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 108));
  await assert.rejects(read(id), refused('limit_exceeded', /ID_MAX/));
});

test('pax records win over the header, and bad ones are refused', async () => {
  const [entry] = await read(withPax(encodePaxRecord('path', 'caf\xe9/x')));
  assert.equal(entry?.path, 'caf\xe9/x');
  await assert.rejects(read(withPax(encodePaxRecord('path', 'a\0b'))), refused('corrupt', /NUL/));
  await assert.rejects(read(withPax('99 path=x\n')), refused('corrupt', /length/));
  await assert.rejects(read(withPax('x path=x\n')), refused('corrupt', /length/));
  await assert.rejects(read(withPax('9 path+x\n')), refused('corrupt', /key/));
  const size = encodePaxRecord('size', '99999999999999999999');
  await assert.rejects(read(withPax(size)), refused('limit_exceeded', /ENTRY_BYTES_MAX/));
});

test('an extended header has a limit, in bytes, in records and in number', async () => {
  const big = encodePaxRecord('comment', 'x'.repeat(1024 * 1024));
  await assert.rejects(read(withPax(big)), refused('limit_exceeded', /PAX_BYTES_MAX/));
  const many = encodePaxRecord('a', 'b').repeat(16_385);
  await assert.rejects(read(withPax(many)), refused('limit_exceeded', /PAX_RECORDS_MAX/));
  const one = withPax(encodePaxRecord('a', 'b')).subarray(0, 1024);
  const chain = Buffer.concat([...Array.from({ length: 17 }, () => one), TRAILER]);
  await assert.rejects(read(chain), refused('limit_exceeded', /EXTENSIONS_MAX/));
});

test('sparse maps that lie are refused', async () => {
  const sparse = (map: string, size = '100') =>
    withPax(
      encodePaxRecord('GNU.sparse.map', map) + encodePaxRecord('GNU.sparse.size', size),
      'xy',
    );
  const [entry] = await read(sparse('10,1,20,1'));
  assert.equal(entry?.text, '<10>x<9>y<79>');
  assert.equal(entry?.size, 100);
  await assert.rejects(read(sparse('20,1,10,1')), refused('corrupt', /order/));
  await assert.rejects(read(sparse('0,1')), refused('corrupt', /match/));
  await assert.rejects(read(sparse('99,2')), refused('corrupt', /beyond/));
  await assert.rejects(read(sparse('0,1,2')), refused('corrupt', /sparse map/));
  await assert.rejects(read(sparse('0,-1,1,3')), refused('corrupt', /negative/));
});

test('links and nodes have no body, whatever size they claim', async () => {
  const link = encodeHeader({ kind: 'symlink', path: 'l', linkPath: 't', mode: 0o777 });
  link.write('00000001000', 124);
  link.write(`${checksumOf(link).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const bytes = Buffer.concat([link, await tar([file('after', 'x')])]);
  assert.deepEqual(
    (await read(bytes)).map((entry) => entry.path),
    ['l', 'after'],
  );
});

test('GNU tar in each of its formats, sparse files included, is read as it was packed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-tar-'));
  try {
    const long = 'n'.repeat(160);
    execFileSync(
      'sh',
      [
        '-ec',
        `mkdir -p "$1/$1"; echo deep > "$1/$1/f"; ln -s "$1/$1/f" link
      truncate -s 3000000 hole; printf data | dd of=hole bs=1 seek=1000000 conv=notrunc status=none
      ln hole hard`,
        'sh',
        long,
      ],
      { cwd: folder },
    );
    for (const format of [
      ['--format=gnu'],
      ['--format=pax'],
      ['--format=gnu', '--sparse'],
      ...['0.0', '0.1', '1.0'].map((v) => ['--format=pax', '--sparse', `--sparse-version=${v}`]),
    ]) {
      const bytes = execFileSync('tar', [...format, '--sort=name', '-cf', '-', '.'], {
        cwd: folder,
        maxBuffer: 2 ** 26,
      });
      const entries = await read(bytes, 4096);
      const at = (path: string) => entries.find((entry) => entry.path === path);
      assert.equal(at(`./${long}/${long}/f`)?.text, 'deep\n');
      assert.equal(at('./link')?.linkPath, `${long}/${long}/f`);
      const found = [at('./hard'), at('./hole')];
      const body = found.find((entry) => entry?.kind === 'file');
      assert.equal(body?.size, 3_000_000, format.join(' '));
      assert.ok(body.text.includes('data'));
      assert.ok(found.some((entry) => entry?.kind === 'link'));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('GNU tar reads what the encoder writes', async () => {
  const bytes = await bytesOf(encodeTar([file(`${'d/'.repeat(80)}\xc3\xa9`, 'x'), file('b', 'y')]));
  const listed = execFileSync('tar', ['--quoting-style=literal', '-tf', '-'], { input: bytes });
  assert.equal(listed.toString('latin1'), `${'d/'.repeat(80)}\xc3\xa9\nb\n`);
});

/** An archive in memory that can be read from anywhere, as a file can. */
class Seekable implements SeekableSource {
  position = 0;
  readonly size: number;
  readonly #bytes: Buffer;
  reads = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.size = bytes.length;
  }

  seek(position: number): void {
    this.position = position;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.position < this.size) {
      const chunk = this.#bytes.subarray(this.position, this.position + 512);
      this.position += chunk.length;
      this.reads += 1;
      yield chunk;
    }
  }
}

test('of a file the decoder tells where content is, and passes over it', async () => {
  const content = Buffer.alloc(100_000, 'c');
  const bytes = await tar([file('a', content), file('empty'), file('b', 'bb')]);
  const source = new Seekable(bytes);
  const found: string[] = [];
  for await (const entry of decodeTar(source)) {
    for (const extent of entry.extents() ?? []) {
      assert.ok('offset' in extent);
      const { length, offset } = extent;
      found.push(`${entry.path} ${bytes.toString('latin1', offset, offset + length).slice(0, 3)}`);
    }
  }
  assert.deepEqual(found, ['a ccc', 'empty ', 'b bb']);
  assert.ok(source.reads < 10, `${source.reads} reads`);
});

test('a stream has no extents, nor has a file that ends before its content does', async () => {
  const bytes = await tar([file('a', Buffer.alloc(5000, 'c'))]);
  for await (const entry of decodeTar(chunksOf(bytes))) assert.equal(entry.extents(), undefined);
  await assert.rejects(async () => {
    for await (const entry of decodeTar(new Seekable(bytes.subarray(0, 3000)))) {
      assert.equal(entry.extents(), undefined);
    }
  }, /unexpected end of archive/);
});
