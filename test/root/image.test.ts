// Layers on the real disk, through the unpack threads and the C program: what the kernel sees
// afterwards, and that archives which attack change nothing outside their layer.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  statSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { busyboxArchive } from '#image/builtin.ts';
import { UnpackPool } from '#image/layer/pool.ts';
import { decodeTar } from '#tar/decode.ts';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { ROOT } from '../../tools/source.ts';
import {
  bytesOf,
  chunksOf,
  dir,
  dockerArchive,
  file,
  hardLink,
  symlink,
  tar,
} from '../fixture/archive.ts';
import { ImageBench } from '../fixture/image-bench.ts';

const nativePath = join(ROOT, 'build/coracle-native');
const signal = new AbortController().signal;

async function withBench(run: (bench: ImageBench) => Promise<void>): Promise<void> {
  await using pool = new UnpackPool({ nativePath });
  await using bench = await ImageBench.open(pool);
  await run(bench);
}

/**
 * All extended attributes below a path, by way of GNU tar, which is on every Debian; getfattr is
 * not.
 */
async function attributesBelow(path: string): Promise<string> {
  const packed = execFileSync('tar', [
    '--xattrs',
    '--xattrs-include=*',
    '--format=pax',
    '-cPf',
    '-',
    path,
  ]);
  const lines: string[] = [];
  for await (const entry of decodeTar(chunksOf(packed))) {
    for (const [key, value] of entry.xattrs)
      lines.push(`${entry.path} ${key}=${value.toString('hex')}`);
  }
  return lines.sort().join('\n');
}

/** Loads the layers as one image; the directories of its chain, top first. */
async function unpacked(
  bench: ImageBench,
  layers: readonly (readonly EncodeItem[])[],
): Promise<readonly string[]> {
  const bytes = await Promise.all(layers.map((items) => tar(items)));
  await bench.load(await dockerArchive([{ layers: bytes, tags: ['t:1'] }]));
  return bench.snapshots.lower(bench.images.resolve('t:1').chain);
}

test('a layer has all that its archive said: owners, modes, times, devices, attributes, links, holes', () =>
  withBench(async (bench) => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const name = 'caf\xe9\n\xff';
    const [root = ''] = await unpacked(bench, [
      [
        { ...dir('d', 0o2750), uid: 3_000_000_000, gid: 70_000, mtime: 1_000_000_007_000_000_009n },
        { ...file('d/su', 'x', 0o4755), uid: 5, gid: 6, mtime: 1_500_000_000_123_456_789n },
        {
          ...file('d/ping', 'elf', 0o755),
          xattrs: new Map([
            ['security.capability', capability],
            ['user.note', Buffer.from('n')],
            ['trusted.overlay.opaque', Buffer.from('y')],
          ]),
        },
        hardLink('d/again', 'd/su'),
        { ...symlink('d/l', '../../../../etc/passwd'), uid: 7, gid: 8 },
        { kind: 'char', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
        { kind: 'block', path: 'dev/loop', mode: 0o660, major: 7, minor: 300 },
        { kind: 'fifo', path: 'dev/p', mode: 0o600 },
        file(name, 'bytes'),
        file(`${'n'.repeat(250)}/${'m'.repeat(250)}`, 'long'),
        dir('tmp', 0o1777),
      ],
    ]);
    const stat = (path: string) => lstatSync(join(root, path), { bigint: true });
    assert.deepEqual(
      [stat('d').uid, stat('d').gid, stat('d').mode & 0o7777n],
      [3_000_000_000n, 70_000n, 0o2750n],
    );
    assert.equal(stat('d').mtimeNs, 1_000_000_007_000_000_009n);
    assert.deepEqual(
      [stat('d/su').mode & 0o7777n, stat('d/su').uid, stat('d/su').nlink],
      [0o4755n, 5n, 2n],
    );
    assert.equal(stat('d/su').mtimeNs, 1_500_000_000_123_456_789n);
    assert.equal(stat('d/again').ino, stat('d/su').ino);
    assert.equal(readlinkSync(join(root, 'd/l')), '../../../../etc/passwd');
    assert.equal(stat('d/l').uid, 7n);
    assert.ok(stat('dev/null').isCharacterDevice() && stat('dev/null').rdev === 0x103n);
    assert.ok(stat('dev/loop').isBlockDevice());
    assert.ok(stat('dev/p').isFIFO());
    assert.equal(stat('tmp').mode & 0o7777n, 0o1777n);
    const raw = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]);
    assert.equal(readFileSync(raw, 'utf8'), 'bytes');
    const attributes = await attributesBelow(join(root, 'd/ping'));
    assert.match(attributes, /security.capability=0100000200040000/);
    assert.match(attributes, /user.note=6e/);
    assert.doesNotMatch(attributes, /trusted/);
  }));

test('a sparse file keeps its holes', () =>
  withBench(async (bench) => {
    const folder = mkdtempSync(join(tmpdir(), 'coracle-sparse-'));
    try {
      execFileSync(
        'sh',
        [
          '-ec',
          'truncate -s 64M s; printf data | dd of=s bs=1 seek=40000000 conv=notrunc status=none; tar -S --format=pax -cf s.tar s',
        ],
        { cwd: folder },
      );
      await bench.images.import(chunksOf(readFileSync(join(folder, 's.tar'))), {
        signal,
        message: '',
        reference: 's',
      });
      const [root = ''] = bench.snapshots.lower(bench.images.resolve('s').chain);
      const stat = lstatSync(join(root, 's'));
      assert.equal(stat.size, 64 * 1024 * 1024);
      assert.ok(stat.blocks < 64, String(stat.blocks));
      assert.ok(readFileSync(join(root, 's')).equals(readFileSync(join(folder, 's'))));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }));

test('the union of the layers is what the archives say: whiteouts, opaque directories, replaced kinds', () =>
  withBench(async (bench) => {
    await unpacked(bench, [
      [
        { ...dir('implied', 0o700), uid: 9 },
        file('implied/old'),
        file('gone'),
        file('o/hidden'),
        file('was-file', 'x'),
        file('was-dir/x'),
        symlink('was-link', 'gone'),
        file('twice', 'one'),
      ],
      [
        file('.wh.gone'),
        file('o/.wh..wh..opq'),
        file('o/seen'),
        file('was-file/now-dir'),
        file('was-dir'),
        dir('was-link'),
        file('implied/new'),
        file('twice', 'two'),
        file('twice', 'three'),
      ],
    ]);
    await bench.snapshots.prepare('c1', bench.images.resolve('t:1').chain);
    const { lower, upper, work } = bench.snapshots.root('c1');
    const options = `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work}`;
    const target = join(bench.dataRoot, 'mnt');
    mkdirSync(target);
    const listed = execFileSync('unshare', [
      '-m',
      'sh',
      '-ec',
      `mount -t overlay overlay -o "$1" "$2"; cd "$2"; find . -mindepth 1 -printf '%y %P\\n' | sort; stat -c '%a %u' implied; cat twice`,
      'sh',
      options,
      target,
    ]).toString();
    assert.deepEqual(listed.trimEnd().split('\n'), [
      'd implied',
      'd o',
      'd was-file',
      'd was-link',
      'f implied/new',
      'f implied/old',
      'f o/seen',
      'f twice',
      'f was-dir',
      'f was-file/now-dir',
      // An implied directory looks as the one below it.
      '700 9',
      'three',
    ]);
    rmSync(target, { recursive: true });
    await bench.snapshots.remove('c1');
    await bench.snapshots[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(join(bench.dataRoot, 'tops')), []);
  }));

test('the built-in busybox is loaded into an empty store once, and always has the same ID', () =>
  withBench(async (bench) => {
    const busybox = readFileSync('/bin/busybox');
    const made = 1_700_000_000_000_000_000n;
    const archive = await bytesOf(busyboxArchive(busybox, ['sh', 'ls', '['], made));
    assert.ok(archive.equals(await bytesOf(busyboxArchive(busybox, ['ls', '[', 'sh'], made))));
    const path = join(bench.dataRoot, 'busybox.tar');
    writeFileSync(path, archive);
    assert.equal(await bench.images.loadBuiltin(path, signal), true);
    assert.equal(await bench.images.loadBuiltin(path, signal), false);
    const image = bench.images.resolve('busybox');
    const [root = ''] = bench.snapshots.lower(image.chain);
    assert.equal(statSync(join(root, 'bin/busybox')).mtimeMs, 1_700_000_000_000);
    assert.equal(
      execFileSync('chroot', [root, '/bin/sh', '-c', 'echo $((6*7))']).toString(),
      '42\n',
    );
  }));

const attacks: Readonly<Record<string, (outside: string) => readonly EncodeItem[]>> = {
  'a link to a directory outside, then a file through it': (outside) => [
    symlink('l', outside),
    file('l/pwned', 'x'),
  ],
  'a relative link outside, then a file through it': (outside) => [
    symlink('l', `../../../../../../../..${outside}`),
    file('l/pwned', 'x'),
  ],
  'a chain of links': (outside) => [symlink('a', outside), symlink('b', 'a'), file('b/pwned', 'x')],
  'a link to a file outside, then that name again': (outside) => [
    symlink('l', `${outside}/secret`),
    file('l', 'overwritten'),
  ],
  'a hard link through a link': (outside) => [
    symlink('l', outside),
    hardLink('h', 'l/secret'),
    file('h', 'overwritten'),
  ],
  'a hard link to an absolute name': (outside) => [
    hardLink('h', `${outside}/secret`),
    file('h', 'overwritten'),
  ],
  'a hard link that climbs': (outside) => [hardLink('h', `../../../../../..${outside}/secret`)],
  'a whiteout through a link': (outside) => [symlink('l', outside), file('l/.wh.secret')],
  'an opaque mark through a link': (outside) => [symlink('l', outside), file('l/.wh..wh..opq')],
  'a whiteout that climbs': (outside) => [file(`../../../../../..${outside}/.wh.secret`)],
  'a directory entry through a link, with another mode': (outside) => [
    symlink('l', outside),
    dir('l/sub', 0o777),
    dir('l', 0o777),
  ],
  'attributes through a link': (outside) => [
    symlink('l', `${outside}/secret`),
    { ...file('l/x', 'y'), xattrs: new Map([['user.a', Buffer.from('b')]]) },
  ],
  'a device through a link': (outside) => [
    symlink('l', outside),
    { kind: 'char', path: 'l/null', mode: 0o666, major: 1, minor: 3 },
  ],
  'a link to a process of the host': () => [
    symlink('l', '/proc/self/root'),
    file('l/tmp/pwned-by-layer', 'x'),
  ],
  'absolute names': (outside) => [file(`${outside}/pwned`, 'x'), dir(outside, 0o777)],
};

for (const [name, items] of Object.entries(attacks)) {
  test(`outside its layer nothing changes: ${name}`, () =>
    withBench(async (bench) => {
      const outside = mkdtempSync(join(tmpdir(), 'coracle-outside-'));
      try {
        writeFileSync(join(outside, 'secret'), 'secret', { mode: 0o600 });
        mkdirSync(join(outside, 'sub'), 0o700);
        const look = async () => [
          readdirSync(outside, { recursive: true }),
          readFileSync(join(outside, 'secret'), 'utf8'),
          ...['.', 'secret', 'sub'].map((path) => {
            const { mode, uid, ino, nlink, mtimeMs } = lstatSync(join(outside, path));
            return [path, mode, uid, ino, nlink, mtimeMs];
          }),
          await attributesBelow(outside),
        ];
        const before = await look();
        const files = await bench.files();
        const loaded = await unpacked(bench, [items(outside)]).then(
          () => true,
          () => false,
        );
        assert.deepEqual(await look(), before);
        assert.equal(existsSync('/tmp/pwned-by-layer'), false);
        if (!loaded) assert.deepEqual(await bench.files(), files);
        assert.equal(bench.images.list().length, loaded ? 1 : 0);
        assert.deepEqual(bench.undoFailures, []);
      } finally {
        rmSync(outside, { recursive: true });
      }
    }));
}

test('what cannot be unpacked is named, and a hard link with what it leads to', () =>
  withBench(async (bench) => {
    const cases: readonly (readonly [EncodeItem[], RegExp])[] = [
      [
        [hardLink('a/b', 'missing/x')],
        /cannot unpack "a\/b", a hard link to "missing\/x": no such file or directory$/,
      ],
      [
        [dir('d'), hardLink('e', 'd')],
        /cannot unpack "e", a hard link to "d": operation not permitted$/,
      ],
      [[symlink('l', 'l'), file('l/x', 'x')], /cannot unpack "l\/x": too many levels of symbolic/],
    ];
    for (const [items, message] of cases) await assert.rejects(unpacked(bench, [items]), message);
  }));

test('a bomb is stopped, the image is absent and its disk space is given back', () =>
  withBench(async (bench) => {
    const zeros = Buffer.alloc(340 * 1024 * 1024);
    async function* items(): AsyncGenerator<EncodeItem> {
      yield file('zeros', zeros);
    }
    const bomb = zstdCompressSync(await bytesOf(encodeTar(items())));
    const plain = [Buffer.from('whatever')];
    const files = await bench.files();
    await assert.rejects(
      bench.load(await dockerArchive([{ layers: [bomb], plain, tags: ['bomb:1'] }])),
      /expands too much/,
    );
    assert.deepEqual(await bench.files(), files);
    assert.deepEqual(bench.images.list(), []);
  }));

/**
 * Of the time that the load takes this thread, so that a slow machine has a longer one; usual:
 * 0.01.
 */
const STALL_SHARE_MAX = 0.15;

test(
  'while a large image is loaded the event loop is never busy with it for long at a time',
  { timeout: 120_000 },
  () =>
    withBench(async (bench) => {
      const random = Buffer.alloc(1024 * 1024);
      for (let i = 0; i < random.length; i += 4) random.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
      async function* items(): AsyncGenerator<EncodeItem> {
        for (let i = 0; i < 100; i += 1) yield file(`big${i}`, random);
        for (let i = 0; i < 20_000; i += 1) yield file(`d${i % 100}/f${i}`, 'small');
      }
      // CPU time of this thread between two ticks: what other programs on the machine take is no
      // stall.
      const busy = () => {
        const { user, system } = process.threadCpuUsage();
        return (user + system) / 1000;
      };
      let begun = 0;
      let worst = 0;
      let last = busy();
      const timer = setInterval(() => {
        const at = busy();
        worst = Math.max(worst, at - last);
        last = at;
      }, 1);
      const folder = mkdtempSync(join(tmpdir(), 'coracle-large-'));
      try {
        await pipeline(Readable.from(encodeTar(items())), createWriteStream(join(folder, 'x.tar')));
        last = busy();
        worst = 0;
        begun = last;
        await bench.images.import(createReadStream(join(folder, 'x.tar')), { signal, message: '' });
      } finally {
        clearInterval(timer);
        rmSync(folder, { recursive: true });
      }
      const whole = busy() - begun;
      assert.ok(worst < whole * STALL_SHARE_MAX, `${worst.toFixed(0)} of ${whole.toFixed(0)} ms`);
    }),
);

test('an unpack that is cancelled ends its process and leaves nothing', () =>
  withBench(async (bench) => {
    const files = await bench.files();
    const abort = new AbortController();
    const content = Buffer.alloc(16 * 1024 * 1024, 'x');
    const archive = await dockerArchive([
      { layers: [await tar([file('a', content), file('b', content)])] },
    ]);
    const loading = bench.images.load(chunksOf(archive, 1024 * 1024), {
      signal: abort.signal,
      onProgress: (progress) => {
        if ('detail' in progress && (progress.detail?.current ?? 0) > 0) abort.abort();
      },
    });
    await assert.rejects(loading);
    assert.deepEqual(await bench.files(), files);
    const children = execFileSync('sh', [
      '-c',
      `pgrep -P ${process.pid} coracle-tree || true`,
    ]).toString();
    assert.equal(children, '');
  }));
