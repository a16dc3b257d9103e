// Pulls from Debian's docker-registry onto the real disk: every kind of manifest and layer, an
// index, many layers, many pulls at once, and the same digest when the image is pushed again.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import type { ImageRecord } from '#image/record.ts';
import { UnpackPool, type Unpacker } from '#image/layer/pool.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { dir, dockerArchive, file, hardLink, symlink, tar } from '../fixture/archive.ts';
import { FaultProxy, type FaultRule } from '../fixture/fault-proxy.ts';
import { ImageBench } from '../fixture/image-bench.ts';
import { type Family, type Packing, pushImage, someLayers } from '../fixture/pull-image.ts';
import { openClient } from '../fixture/registry-client.ts';
import { NO_REGISTRY, TestRegistry } from '../fixture/registry.ts';

const skip = NO_REGISTRY || (process.getuid?.() === 0 ? false : 'needs root');
const nativePath = join(ROOT, 'build/coracle-native');
const signal = AbortSignal.timeout(120_000);
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const stack = new AsyncDisposableStack();
let folder: string;
let registry: TestRegistry;
let proxy: FaultProxy;
let pool: UnpackPool;

before(async () => {
  if (skip !== false) return;
  folder = makeScratch('pull-');
  registry = stack.use(await TestRegistry.start());
  proxy = stack.use(await FaultProxy.start(registry.host));
  pool = stack.use(new UnpackPool({ nativePath }));
});
after(async () => {
  await stack.disposeAsync();
  if (skip === false) removeScratch(folder);
});

async function withBench(run: (bench: ImageBench) => Promise<void>): Promise<void> {
  await using bench = await ImageBench.open(pool, openClient());
  await run(bench);
  assert.deepEqual(bench.undoFailures, []);
}

const pull = (bench: ImageBench, name: string) =>
  bench.images.pull(`${proxy.host}/${name}`, { signal, auth: undefined });
const resolve = (bench: ImageBench, name: string) => bench.images.resolve(`${proxy.host}/${name}`);

/** The file as a container would see it: the topmost layer that has it. */
function content(bench: ImageBench, image: ImageRecord, path: string): string | undefined {
  for (const lower of bench.snapshots.lower(image.chain)) {
    if (existsSync(join(lower, path))) return readFileSync(join(lower, path), 'utf8');
  }
  return undefined;
}

const KINDS: readonly (readonly [Family, Packing])[] = [
  ['docker', 'gzip'],
  ['docker', 'plain'],
  ['oci', 'gzip'],
  ['oci', 'zstd'],
  ['oci', 'plain'],
];

for (const [family, packing] of KINDS) {
  test(`${family} manifest, ${packing} layers: pulled, and pushed with the same digest`, {
    skip,
  }, async () => {
    const name = `kinds/${family}-${packing}`;
    const pushed = await pushImage(registry, name, '1', await someLayers(3, 50_000), {
      family,
      packing,
    });
    await withBench(async (bench) => {
      await pull(bench, `${name}:1`);
      const image = resolve(bench, `${name}:1`);
      assert.deepEqual(image.repoDigests, [`${proxy.host}/${name}@${pushed.digest}`]);
      assert.equal(content(bench, image, 'data/last'), '2');
      assert.notEqual(content(bench, image, 'data/2'), undefined);
      const [kept] = image.manifests;
      assert.equal(kept?.mediaType, pushed.mediaType);
      const bytes = readFileSync(bench.images.deps.content.path(pushed.digest));
      assert.deepEqual(bytes, pushed.manifest);

      await bench.images.tag(`${proxy.host}/${name}:1`, `${proxy.host}/copy/${name}:2`);
      await bench.images.push(`${proxy.host}/copy/${name}`, '2', { signal, auth: undefined });
      const raw = await registry.skopeo([
        'inspect',
        '--tls-verify=false',
        '--raw',
        `docker://${registry.host}/copy/${name}:2`,
      ]);
      assert.equal(raw, pushed.manifest.toString());
    });
  });
}

test('what skopeo made of an archive is the image that load makes of it', { skip }, async () => {
  const layers = [await tar([dir('etc', 0o700), file('etc/a', 'a', 0o4755)])];
  const wish = { layers, tags: ['made:1'] };
  const archive = await dockerArchive([wish]);
  const path = join(folder, 'made.tar');
  writeFileSync(path, archive);
  await registry.fill(`docker-archive:${path}`, 'made:1');
  await withBench(async (bench) => {
    await bench.load(archive);
    await pull(bench, 'made:1');
    assert.equal(resolve(bench, 'made:1').id, bench.images.resolve('made:1').id);
  });
  await withBench(async (bench) => {
    await pull(bench, 'made:1');
    assert.equal(content(bench, resolve(bench, 'made:1'), 'etc/a'), 'a');
  });
});

test('an index gives the image of the platform and its own digest', { skip }, async () => {
  const entries = [];
  for (const architecture of ['arm64', 'amd64']) {
    const layers = [await tar([file('arch', architecture)])];
    const config = { architecture };
    const made = await pushImage(registry, 'multi', architecture, layers, {
      family: 'oci',
      config,
    });
    const { digest, manifest, mediaType } = made;
    entries.push({
      mediaType,
      digest,
      size: manifest.length,
      platform: { os: 'linux', architecture },
    });
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries });
  const digest = await registry.putManifest('multi', '1', Buffer.from(index), OCI_INDEX);
  await withBench(async (bench) => {
    for (const architecture of ['amd64', 'arm64']) {
      const platform = { os: 'linux', architecture, variant: '' };
      await bench.images.pull(`${proxy.host}/multi:1`, { signal, auth: undefined, platform });
      const image = resolve(bench, 'multi:1');
      assert.equal(content(bench, image, 'arch'), architecture);
      assert.deepEqual(image.repoDigests, [`${proxy.host}/multi@${digest}`]);
    }
  });
});

test('forty layers, each over the one below', { skip }, async () => {
  await pushImage(registry, 'forty', '1', await someLayers(40, 10_000));
  await withBench(async (bench) => {
    await pull(bench, 'forty:1');
    const image = resolve(bench, 'forty:1');
    assert.equal(image.chains.length, 40);
    assert.equal(content(bench, image, 'data/last'), '39');
    proxy.reset();
    await pull(bench, 'forty:1');
    assert.deepEqual(proxy.lines(/blobs/), []);
  });
});

test('a directory that a layer only implies looks like the one below, whichever came first', {
  skip,
}, async () => {
  // The upper layer is small and here long before the lower one is.
  const lower = await tar([dir('opt', 0o700), file('opt/noise', Buffer.alloc(3_000_000, 7))]);
  const upper = await tar([file('opt/sub/x', 'x')]);
  await pushImage(registry, 'implied', '1', [lower, upper], { packing: 'plain' });
  proxy.reset();
  proxy.add({ kind: 'slow', bytesPerSecond: 6_000_000, match: /blobs/, times: 2 });
  await withBench(async (bench) => {
    await pull(bench, 'implied:1');
    const [top] = bench.snapshots.lower(resolve(bench, 'implied:1').chain);
    assert.equal(statSync(join(top ?? '', 'opt')).mode & 0o7777, 0o700);
    assert.equal(statSync(join(top ?? '', 'opt/sub')).mode & 0o7777, 0o755);
  });
  proxy.reset();
});

test('a large layer is unpacked while it comes, and once more if it had to come again', {
  skip,
}, async () => {
  const name = 'follow';
  const pushed = await pushImage(registry, name, '1', await someLayers(1, 6_000_000));
  const match = new RegExp(`/blobs/${pushed.layers[0]}`);
  const rules: readonly (readonly [number, FaultRule])[] = [
    [1, { kind: 'slow', bytesPerSecond: 8_000_000, match }],
    [2, { kind: 'corrupt', at: 2_500_000, match }],
    [1, { kind: 'cut', at: 3_000_000, match }],
  ];
  for (const [unpacksMax, rule] of rules) {
    let [unpacks, follows] = [0, 0];
    const counting: Unpacker = {
      canFollow: () => pool.canFollow(),
      sync: (directory) => pool.sync(directory),
      run: (job, options) => {
        unpacks += 1;
        if (options.growth !== undefined) follows += 1;
        return pool.run(job, options);
      },
    };
    proxy.reset();
    proxy.add(rule, { kind: 'slow', bytesPerSecond: 12_000_000, match });
    await using bench = await ImageBench.open(counting, openClient());
    await pull(bench, `${name}:1`);
    assert.equal(content(bench, resolve(bench, `${name}:1`), 'data/last'), '0');
    assert.ok(unpacks <= unpacksMax, `${rule.kind}: ${unpacks} times`);
    if (rule.kind === 'slow') assert.equal(follows, 1);
    assert.deepEqual(bench.undoFailures, []);
  }
  proxy.reset();
});

test('five pulls at once fetch each blob once', { skip }, async () => {
  const pushed = await pushImage(registry, 'busy', '1', await someLayers(6, 200_000));
  proxy.reset();
  await withBench(async (bench) => {
    await Promise.all(Array.from({ length: 5 }, () => pull(bench, 'busy:1')));
    const blobs = proxy.lines(/blobs/);
    assert.equal(blobs.length, pushed.layers.length + 1);
    for (const digest of pushed.layers) {
      assert.equal(blobs.filter((line) => line.includes(digest)).length, 1);
    }
    assert.equal(content(bench, resolve(bench, 'busy:1'), 'data/last'), '5');
  });
});

test('an image that loses its last name while a pull gives it one stays', { skip }, async () => {
  await pushImage(registry, 'named', '1', await someLayers(2, 1000));
  await withBench(async (bench) => {
    await pull(bench, 'named:1');
    for (let i = 1; i <= 5; i += 1) {
      const [before, name] = [`${proxy.host}/named:${i}`, `named:${i + 1}`];
      await registry.fill(`docker://${registry.host}/named:1`, name);
      let removal: Promise<unknown> | undefined;
      await bench.images.pull(`${proxy.host}/${name}`, {
        signal,
        auth: undefined,
        onProgress: (progress) => {
          if (!('status' in progress) || !progress.status.startsWith('Digest: ')) return;
          removal = bench.images.remove(before, { force: true, prune: true });
        },
      });
      await removal;
      assert.equal(content(bench, resolve(bench, name), 'data/last'), '1');
    }
    await bench.images.remove(`${proxy.host}/named:6`, { force: false, prune: true });
    assert.deepEqual(bench.snapshots.list(), []);
  });
});

test('layers that attack change nothing and leave nothing', { skip }, async () => {
  const good = await tar([dir('etc'), file('etc/good', 'good')]);
  const outside = join(folder, 'outside');
  writeFileSync(outside, 'safe');
  const evil = {
    climbs: await tar([file(`../../../../../../../../${outside.slice(1)}`, 'evil')]),
    link: await tar([symlink('l', folder), file('l/outside', 'evil'), hardLink('h', '../x')]),
    hardlink: await tar([hardLink('h', `../../../..${outside}`)]),
    short: good.subarray(0, 700),
    garbage: Buffer.alloc(10_240, 1),
  };
  for (const [kind, layer] of Object.entries(evil)) {
    await pushImage(registry, 'evil', kind, [good, layer]);
    await withBench(async (bench) => {
      await assert.rejects(pull(bench, `evil:${kind}`), (error) => isEngineError(error, 'corrupt'));
      assert.deepEqual(bench.images.list(), []);
      assert.deepEqual(bench.snapshots.list(), []);
      const left = readdirSync(join(bench.dataRoot, 'layers')).filter((each) => each !== '.empty');
      assert.deepEqual(left, []);
    });
    assert.equal(readFileSync(outside, 'utf8'), 'safe');
  }
});
