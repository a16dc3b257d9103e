// What networks, bad servers, full disks and SIGKILL do to a pull: the image is absent or complete,
// nothing half-made stays, and the next pull goes on where this one stopped.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Digest } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import { UnpackPool } from '#image/layer/pool.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { file, tar } from '../fixture/archive.ts';
import { FaultProxy, type FaultRule } from '../fixture/fault-proxy.ts';
import { ImageBench } from '../fixture/image-bench.ts';
import { type PushedImage, pushImage, someLayers } from '../fixture/pull-image.ts';
import { openClient } from '../fixture/registry-client.ts';
import { NO_REGISTRY, TestRegistry } from '../fixture/registry.ts';

const skip = NO_REGISTRY || (process.getuid?.() === 0 ? false : 'needs root');
const nativePath = join(ROOT, 'build/coracle-native');
const PULLER = join(import.meta.dirname, '../fixture/puller.ts');
const LAYER_BYTES = 300_000;
const KILLS = 10;
const DISK_MIB = 8;
/** Nothing is waited for: what a busy machine takes to close some connections. */
const ABORT_MS_MAX = 10_000;
const stack = new AsyncDisposableStack();
let folder: string;
let registry: TestRegistry;
let proxy: FaultProxy;
let pool: UnpackPool;
let image: PushedImage;

before(async () => {
  if (skip !== false) return;
  folder = makeScratch('pull-fault-');
  registry = stack.use(await TestRegistry.start());
  proxy = stack.use(await FaultProxy.start(registry.host));
  pool = stack.use(new UnpackPool({ nativePath }));
  image = await pushImage(registry, 'app', '1', await someLayers(3, LAYER_BYTES));
});
after(async () => {
  await stack.disposeAsync();
  if (skip === false) removeScratch(folder);
});

const signal = AbortSignal.timeout(120_000);
/** A registry on a busy machine is silent for a while, too. */
const SILENCE_MS_MAX = 1_000;
const open = (attemptsMax: number, dataRoot?: string): Promise<ImageBench> =>
  ImageBench.open(pool, openClient({ attemptsMax }, { silenceMs: SILENCE_MS_MAX }), dataRoot);
const pull = (bench: ImageBench, name = 'app:1', options: { signal?: AbortSignal } = {}) =>
  bench.images.pull(`${proxy.host}/${name}`, { signal, auth: undefined, ...options });
const partials = (bench: ImageBench) => readdirSync(join(bench.dataRoot, 'ingest/partial'));

/** Nothing of any image, but what the next pull goes on with. */
function checkAbsent(bench: ImageBench): void {
  assert.deepEqual(bench.images.list(), []);
  assert.deepEqual(bench.snapshots.list(), []);
  assert.deepEqual(bench.images.deps.content.list(), []);
  const ingests = readdirSync(join(bench.dataRoot, 'ingest'));
  assert.deepEqual(ingests, ['partial']);
  const layers = readdirSync(join(bench.dataRoot, 'layers'));
  assert.deepEqual(
    layers.filter((name) => name !== '.empty'),
    [],
  );
}

function checkComplete(bench: ImageBench): void {
  const record = bench.images.resolve(`${proxy.host}/app:1`);
  assert.deepEqual(record.repoDigests, [`${proxy.host}/app@${image.digest}`]);
  assert.ok(record.chains.every((chain) => bench.snapshots.has(chain)));
  assert.ok(record.layers.every(({ digest }) => bench.images.deps.content.has(digest)));
  assert.ok(bench.images.deps.content.has(image.digest));
  const [top = ''] = bench.snapshots.lower(record.chain);
  assert.ok(readdirSync(join(top, 'data')).includes('2'));
}

const LAYER = (digest: Digest | undefined) => new RegExp(`^GET .*/blobs/${digest}`);

/** Faults that an attempt more cures. */
const CURED: Readonly<Record<string, Omit<FaultRule, 'match'>>> = {
  'a connection that is refused': { kind: 'refuse' },
  'a connection cut before the first byte': { kind: 'cut', at: 0 },
  'a connection cut after one byte': { kind: 'cut', at: 1 },
  'a connection cut in the middle': { kind: 'cut', at: LAYER_BYTES / 2 },
  'status 503': { kind: 'answer', status: 503, body: 'busy' },
  'status 500': { kind: 'answer', status: 500 },
  'status 429 with Retry-After': { kind: 'answer', status: 429, headers: { 'Retry-After': '0' } },
  'a wrong byte': { kind: 'corrupt', at: 1000 },
  'a body that is too short': { kind: 'short', at: 1000 },
  'a body that is too long': { kind: 'long', by: 1000 },
  'a connection that falls silent': { kind: 'stall', at: 5000 },
} as Readonly<Record<string, FaultRule>>;

for (const [what, fault] of Object.entries(CURED)) {
  test(`${what}: a pull with attempts left gets over it, one without leaves nothing`, {
    skip,
  }, async () => {
    const rule = { ...fault, match: LAYER(image.layers[1]) } as FaultRule;
    {
      proxy.reset();
      proxy.add(rule);
      await using bench = await open(3);
      await pull(bench);
      checkComplete(bench);
      assert.deepEqual(partials(bench), []);
    }
    proxy.reset();
    proxy.add({ ...rule, times: Number.POSITIVE_INFINITY } as FaultRule);
    await using bench = await open(1);
    await assert.rejects(pull(bench));
    checkAbsent(bench);
    proxy.reset();
    await pull(bench);
    checkComplete(bench);
    assert.deepEqual(bench.undoFailures, []);
  });
}

test('the retry of a pull that was cut asks for the rest only', { skip }, async () => {
  proxy.reset();
  const [, cut] = image.layers;
  proxy.add({ kind: 'cut', at: 100_000, match: LAYER(cut) });
  await using bench = await open(1);
  await assert.rejects(pull(bench));
  await bench.reopen();
  proxy.reset();
  await pull(bench);
  const [line = ''] = proxy.lines(LAYER(cut)).filter((each) => / 206$/.test(each));
  assert.match(line, / bytes=\d+- 206$/);
  const sent = proxy.requests.reduce(
    (sum, { bytes, url }) => sum + (/blobs/.test(url) ? bytes : 0),
    0,
  );
  assert.ok(sent < 3 * LAYER_BYTES, `${sent} bytes were sent again`);
  checkComplete(bench);
});

test('a pull that is cancelled ends at once, and goes on later', { skip }, async () => {
  proxy.reset();
  proxy.add({ kind: 'slow', bytesPerSecond: 400_000, match: /blobs/, times: 9 });
  await using bench = await open(3);
  const abort = new AbortController();
  const pulled = pull(bench, 'app:1', { signal: abort.signal });
  const ended = assert.rejects(pulled);
  while (!proxy.requests.some(({ bytes }) => bytes > 100_000)) await sleep(10);
  const abortedAt = performance.now();
  abort.abort();
  await ended;
  assert.ok(performance.now() - abortedAt < ABORT_MS_MAX);
  checkAbsent(bench);
  proxy.reset();
  await pull(bench);
  assert.ok(proxy.lines(/ 206$/).length > 0);
  checkComplete(bench);
});

test('content that is not what the config promises is refused, and nothing stays', {
  skip,
}, async () => {
  const layer = await tar([file('a', randomBytes(200_000))]);
  const packed = gzipSync(layer);
  const other = await tar([file('b', 'b')]);
  const cases: readonly (readonly [string, readonly Buffer[], readonly Buffer[], RegExp])[] = [
    ['truncated', [layer], [packed.subarray(0, packed.length / 2)], /gzip|end of/],
    ['wrong-diffid', [other], [packed], /invalid diffID for layer 0/],
    ['damaged', [layer], [Buffer.from(packed).fill(0xff, 5000, 5100)], /gzip|diffID|tar/],
    // Not zeros: those pad, and what follows them is nobody's.
    ['trailing', [layer], [Buffer.concat([packed, Buffer.alloc(100, 7)])], /gzip|diffID/],
  ];
  for (const [tag, plain, blobs, text] of cases) {
    await pushImage(registry, 'bad', tag, plain, { blobs });
    await using bench = await open(2);
    await assert.rejects(
      pull(bench, `bad:${tag}`),
      (error) => isEngineError(error, 'corrupt') && text.test(error.message),
    );
    checkAbsent(bench);
    await bench.images.prune({ signal });
    assert.deepEqual(partials(bench), []);
  }
});

test('a full disk is told as such, and its space is given back', { skip }, async () => {
  const mount = join(folder, 'disk');
  mkdirSync(mount);
  await pushImage(registry, 'large', '1', await someLayers(3, (DISK_MIB * 2 ** 20) / 4));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', mount]);
  try {
    const bench = await open(2, join(mount, 'data'));
    const used = () => statfsSync(mount).blocks - statfsSync(mount).bfree;
    const before = used();
    proxy.reset();
    await assert.rejects(pull(bench, 'large:1'), /no space left on device|ENOSPC/i);
    checkAbsent(bench);
    assert.deepEqual(partials(bench), []);
    assert.ok(used() <= before + 8, `${used() - before} blocks are not given back`);
    execFileSync('mount', ['-o', `remount,size=${DISK_MIB * 8}m`, mount]);
    await pull(bench, 'large:1');
    assert.equal(bench.images.list().length, 1);
    await bench.close();
  } finally {
    execFileSync('umount', [mount]);
  }
});

/** Pulls in a process of its own, which is killed so long after it began; false if it was done. */
async function killedPull(dataRoot: string, afterMs: number): Promise<boolean> {
  const argv = [PULLER, dataRoot, nativePath, `${proxy.host}/app:1`];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  const began = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes('begin')) began.resolve();
    if (said.includes('done')) done.resolve();
  });
  const exited = once(child, 'exit');
  await Promise.race([began.promise, exited]);
  await Promise.race([done.promise, sleep(afterMs, undefined, { ref: false }), exited]);
  child.kill('SIGKILL');
  await exited;
  return !said.includes('done');
}

test('SIGKILL at ten moments of a pull: absent or complete, and then it goes on', {
  skip,
}, async () => {
  // One pull that is not killed tells how long one takes.
  proxy.reset();
  const first = join(folder, 'killed-0');
  const startedAt = performance.now();
  assert.equal(await killedPull(first, 60_000), false);
  const pullMs = Math.min(2000, performance.now() - startedAt) / 2;
  let kills = 0;
  for (let i = 1; i <= KILLS; i += 1) {
    const dataRoot = join(folder, `killed-${i}`);
    if (await killedPull(dataRoot, (pullMs * i) / KILLS)) kills += 1;
    // What the dead one was making is removed behind; a second life finds none of it.
    await (await open(3, dataRoot)).close();
    await using bench = await open(3, dataRoot);
    if (bench.images.list().length === 0) {
      // Its name comes after it: what has none is not an image that anybody was told of.
      checkAbsent(bench);
    } else if (bench.images.list()[0]?.repoTags.length === 1) checkComplete(bench);
    assert.deepEqual(bench.images.problems, []);
    await pull(bench);
    checkComplete(bench);
    await bench.images.remove(`${proxy.host}/app:1`, { force: true, prune: true });
    checkAbsent(bench);
    assert.deepEqual(partials(bench), []);
  }
  assert.ok(kills > 0);
});
