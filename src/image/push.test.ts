import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type Digest, sha256 } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import {
  chunksOf,
  configOf,
  dockerArchive,
  file,
  imageId,
  tar,
} from '../../test/fixture/archive.ts';
import { ImageBench } from '../../test/fixture/image-bench.ts';
import { MEDIA, parseManifest } from './manifest.ts';
import { type PushOptions, pushImage } from './push.ts';
import { buildManifest } from './push-manifest.ts';
import { parseReference, repositoryOf } from '#base/reference.ts';
import type { Registries, Repository } from './registry/registry.ts';

const signal = new AbortController().signal;
const base = await tar([file('bin/sh', 'shell'), file('etc/x', 'one')]);
const upper = await tar([file('etc/x', 'two, longer'), file('etc/.wh.gone')]);

/** What a registry keeps, by repository; uploads may be made to fail. */
class Shelf implements Registries {
  readonly blobs = new Map<string, Map<Digest, Buffer>>();
  readonly manifests = new Map<string, Buffer>();
  readonly log: string[] = [];
  fail: ((digest: Digest) => unknown) | undefined;

  repository(name: Parameters<Registries['repository']>[0]): Repository {
    const path = repositoryOf(name);
    const own = this.blobs.get(path) ?? new Map<Digest, Buffer>();
    this.blobs.set(path, own);
    const refuse = (): never => assert.fail('a push reads nothing');
    return {
      manifest: refuse,
      manifestBy: refuse,
      head: refuse,
      tags: refuse,
      download: refuse,
      hasBlob: async (digest) => own.has(digest),
      mountBlob: async (digest, from) => {
        const bytes = this.blobs.get(`${name.domain}/${from}`)?.get(digest);
        this.log.push(`mount ${from} ${bytes !== undefined}`);
        if (bytes !== undefined) own.set(digest, bytes);
        return bytes !== undefined;
      },
      upload: async ({ digest, size }, path_, { onProgress }) => {
        await Promise.resolve();
        await this.fail?.(digest);
        const bytes = readFileSync(path_);
        assert.deepEqual([sha256(bytes), bytes.length], [digest, size]);
        onProgress?.(size);
        this.log.push('upload');
        own.set(digest, bytes);
      },
      putManifest: async (tag, bytes, mediaType) => {
        const parsed = parseManifest(bytes, mediaType);
        assert.ok(parsed.kind === 'manifest');
        for (const { digest } of [parsed.config, ...parsed.layers]) assert.ok(own.has(digest));
        this.manifests.set(`${path}:${tag}`, Buffer.from(bytes));
        return sha256(bytes);
      },
    };
  }

  login(): never {
    return assert.fail('a push does not log in');
  }

  search(): never {
    return assert.fail('a push searches nothing');
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function push(
  bench: ImageBench,
  shelf: Shelf,
  name: string,
  tag: string,
  more: Partial<PushOptions> = {},
) {
  const lines: string[] = [];
  const deps = { ...bench.images.deps, registries: shelf, uploadsMax: 2 };
  await pushImage(deps, name, tag, {
    auth: undefined,
    signal,
    ...more,
    onProgress: ({ aux, detail, id, status }) => {
      if (detail?.current === undefined) lines.push(`${id ?? ''} ${status ?? JSON.stringify(aux)}`);
    },
  });
  return lines;
}

const short = (bytes: Buffer): string => sha256(bytes).slice(7, 19);

test('the top goes first; the second push finds everything there', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  await bench.load(await dockerArchive([{ layers: [base, upper], tags: ['reg.test/a:1'] }]));
  const first = await push(bench, shelf, 'reg.test/a', '1');
  const image = bench.images.resolve('reg.test/a:1');
  const bytes = shelf.manifests.get('reg.test/a:1') ?? Buffer.alloc(0);
  const digest = sha256(bytes);
  assert.equal(first[0], ' The push refers to repository [reg.test/a]');
  assert.deepEqual(first.slice(1, 3), [`${short(upper)} Preparing`, `${short(base)} Preparing`]);
  assert.deepEqual(
    first.slice(3, 5).sort(),
    [`${short(base)} Pushed`, `${short(upper)} Pushed`].sort(),
  );
  const aux = JSON.stringify({ Tag: '1', Digest: digest, Size: bytes.length });
  assert.deepEqual(first.slice(5), [` 1: digest: ${digest} size: ${bytes.length}`, ` ${aux}`]);
  assert.deepEqual(image.repoDigests, [`reg.test/a@${digest}`]);
  const second = await push(bench, shelf, 'reg.test/a', '1');
  assert.equal(second.filter((line) => line.endsWith('Layer already exists')).length, 2);
  assert.deepEqual(second.slice(5), first.slice(5));
  assert.deepEqual(bench.events.at(-1)?.actor, {
    id: 'reg.test/a:1',
    attributes: { name: 'reg.test/a' },
  });
});

test('a plain layer is compressed once, and the result takes its place in every image', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  await bench.images.import(chunksOf(base), { signal, message: '', reference: 'reg.test/i:1' });
  await bench.load(await dockerArchive([{ layers: [base, upper], tags: ['other:1'] }]));
  const plain = sha256(base);
  await push(bench, shelf, 'reg.test/i', '1');
  for (const _ of ['now', 'after a restart']) {
    for (const name of ['reg.test/i:1', 'other:1']) {
      const [layer] = bench.images.resolve(name).layers;
      assert.equal(layer?.diffId, plain);
      assert.notEqual(layer?.digest, plain);
      assert.equal(layer?.mediaType, MEDIA.dockerLayerGzip);
      const bytes = await bench.images.deps.content.read(layer?.digest as Digest, 1e6);
      assert.ok(gunzipSync(bytes).equals(base));
    }
    assert.equal(bench.images.deps.content.has(plain), false);
    await bench.reopen();
  }
  const digests = bench.images.resolve('reg.test/i:1').repoDigests;
  await push(bench, shelf, 'reg.test/i', '1');
  assert.deepEqual(bench.images.resolve('reg.test/i:1').repoDigests, digests);
  await bench.images.remove('other:1', { force: false, prune: true });
  assert.equal(bench.images.resolve('reg.test/i:1').layers.length, 1);
});

test('layers that another repository of the registry has are mounted', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  const tags = ['reg.test/a:1', 'reg.test/b/c:1', 'other.test/a:1'];
  await bench.load(await dockerArchive([{ layers: [gzipSync(base)], plain: [base], tags }]));
  await push(bench, shelf, 'reg.test/a', '1');
  shelf.log.length = 0;
  const lines = await push(bench, shelf, 'reg.test/b/c', '1');
  assert.ok(lines.includes(`${short(base)} Mounted from a`));
  assert.deepEqual(shelf.log, ['mount a true', 'upload']); // the config
  shelf.log.length = 0;
  await push(bench, shelf, 'other.test/a', '1');
  assert.deepEqual(shelf.log, ['upload', 'upload']);
});

test('without a tag every tag goes, and none of another repository', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  const tags = ['reg.test/a:2', 'reg.test/a:1', 'reg.test/ab:1'];
  await bench.load(await dockerArchive([{ layers: [base], tags }]));
  await push(bench, shelf, 'reg.test/a', '');
  assert.deepEqual([...shelf.manifests.keys()], ['reg.test/a:1', 'reg.test/a:2']);
  assert.equal(bench.events.at(-1)?.actor.id, 'reg.test/a');
  shelf.manifests.clear();
  await push(bench, shelf, 'reg.test/a:1', '');
  await push(bench, shelf, 'reg.test/a:none', '2');
  assert.deepEqual([...shelf.manifests.keys()], ['reg.test/a:1', 'reg.test/a:2']);
  await assert.rejects(push(bench, shelf, 'reg.test/a', 'a b'), { message: 'invalid tag format' });
});

test('what is not here is told in the words of dockerd', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  await bench.load(await dockerArchive([{ layers: [base], tags: ['reg.test/a:2'] }]));
  await assert.rejects(push(bench, shelf, 'reg.test/x', '1'), {
    message: 'An image does not exist locally with the tag: reg.test/x',
  });
  await assert.rejects(push(bench, shelf, 'reg.test/a', '1'), {
    message: 'tag does not exist: reg.test/a:1',
  });
  await assert.rejects(push(bench, shelf, `reg.test/a@sha256:${'0'.repeat(64)}`, ''), {
    message: 'cannot push a digest reference',
  });
  const platform = { os: 'linux', architecture: 'riscv64', variant: '' };
  await assert.rejects(push(bench, shelf, 'reg.test/a', '2', { platform }), {
    message:
      'image with reference reg.test/a:2 was found ' +
      'but does not provide the specified platform (linux/riscv64)',
  });
  assert.equal(shelf.manifests.size, 0);
});

test('a failed upload is the error, names nothing, and frees what was removed meanwhile', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  await bench.load(await dockerArchive([{ layers: [base, upper], tags: ['reg.test/a:1'] }]));
  shelf.fail = () => {
    throw new EngineError('unauthorized', 'no basic auth credentials');
  };
  await assert.rejects(push(bench, shelf, 'reg.test/a', '1'), {
    message: 'no basic auth credentials',
  });
  assert.deepEqual(bench.images.resolve('reg.test/a:1').repoDigests, []);
  assert.equal(shelf.manifests.size, 0);
  let removed: Promise<unknown> | undefined;
  shelf.fail = () => {
    removed ??= bench.images.remove('reg.test/a:1', { force: true, prune: true });
  };
  await push(bench, shelf, 'reg.test/a', '1');
  await removed;
  assert.equal(shelf.manifests.size, 1);
  assert.deepEqual(bench.images.list(), []);
  assert.deepEqual(bench.images.deps.content.list(), []);
});

test('an image that is removed while it is pushed goes with all of its layers', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  await bench.load(await dockerArchive([{ layers: [base, upper], tags: ['reg.test/a:1'] }]));
  let removed: Promise<unknown> | undefined;
  shelf.fail = () =>
    (removed ??= bench.images.remove('reg.test/a:1', { force: true, prune: true }));
  await push(bench, shelf, 'reg.test/a', '1');
  assert.deepEqual(bench.images.deps.content.list(), []);
  assert.deepEqual(bench.snapshots.list(), []);
});

test('a push that is given up leaves nothing half-made, and the next one goes through', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  await bench.load(await dockerArchive([{ layers: [base, upper], tags: ['reg.test/a:1'] }]));
  const give = new AbortController();
  shelf.fail = () => {
    give.abort();
    give.signal.throwIfAborted();
  };
  await assert.rejects(push(bench, shelf, 'reg.test/a', '1', { signal: give.signal }), {
    name: 'AbortError',
  });
  assert.deepEqual(readdirSync(join(bench.dataRoot, 'ingest')), ['partial']);
  assert.equal(bench.images.deps.leases.held(bench.images.resolve('reg.test/a:1').id), false);
  shelf.fail = undefined;
  await push(bench, shelf, 'reg.test/a', '1');
  assert.equal(shelf.manifests.size, 1);
});

test('a manifest has the bytes that dockerd writes, or is of OCI where a layer is zstd', async () => {
  const layer = (mediaType: string) => ({
    diffId: sha256(base),
    digest: 'sha256:302962332659e3473906ec1a2363ef73496cdbb7b09a266df87d521c408b4a6c' as Digest,
    size: 1_069_241,
    mediaType,
  });
  const config = {
    digest: 'sha256:71a4da00d77a2ad79fc94ff618bebc6558e4f73314c94d9d4d18c6248aeda493' as Digest,
    size: 392,
  };
  // Pushed by dockerd 20.10.24.
  const known = 'sha256:5b560b901b0946914bab3ac4185b679b875dafa37a0cb5c78de5ec04dfb1c4aa';
  const docker = buildManifest(config, [layer(MEDIA.ociLayerGzip)]);
  assert.deepEqual([sha256(docker.bytes), docker.bytes.length], [known, 527]);
  assert.equal(docker.mediaType, MEDIA.dockerManifest);
  const oci = buildManifest(config, [layer(MEDIA.ociLayerZstd), layer(MEDIA.dockerLayerGzip)]);
  const parsed = parseManifest(oci.bytes, oci.mediaType);
  assert.ok(parsed.kind === 'manifest');
  assert.deepEqual(
    [parsed.config, ...parsed.layers].map(({ mediaType }) => mediaType),
    [MEDIA.ociConfig, MEDIA.ociLayerZstd, MEDIA.ociLayerGzip],
  );
});

test('a manifest that is kept goes as it came, byte for byte', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  const archive = gzipSync(base);
  const wish = { layers: [archive], plain: [base], tags: ['reg.test/k:1'] };
  await bench.load(await dockerArchive([wish]));
  const { content, store } = bench.images.deps;
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: MEDIA.ociConfig, digest: imageId(wish), size: configOf(wish).length },
      layers: [{ mediaType: MEDIA.ociLayerGzip, digest: sha256(archive), size: archive.length }],
    }),
  );
  await using ingest = await content.ingest(chunksOf(bytes), { signal });
  await ingest.commit();
  const image = store.get(imageId(wish));
  assert.ok(image);
  const kept = { digest: sha256(bytes), size: bytes.length, mediaType: MEDIA.ociManifest };
  await store.put({ ...image, manifests: [{ ...kept, indexes: [] }] });
  await push(bench, shelf, 'reg.test/k', '1');
  assert.ok(shelf.manifests.get('reg.test/k:1')?.equals(bytes));
});

test('a kept manifest goes also when its layer came otherwise, if the registry has it', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  const tags = ['reg.test/new:1', 'other.test/new:1'];
  const wish = { layers: [base], tags };
  await bench.load(await dockerArchive([wish]));
  // Elsewhere somebody compressed it in another way.
  const archive = gzipSync(base, { level: 1 });
  const config = { mediaType: MEDIA.dockerConfig, digest: imageId(wish), size: 1 };
  const layers = [
    { mediaType: MEDIA.dockerLayerGzip, digest: sha256(archive), size: archive.length },
  ];
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }));
  const digest = sha256(bytes);
  shelf.blobs.set('reg.test/old', new Map([[sha256(archive), archive]]));
  const { content, store } = bench.images.deps;
  await using ingest = await content.ingest(chunksOf(bytes), { signal });
  await ingest.commit();
  const image = store.get(imageId(wish));
  assert.ok(image);
  const kept = { digest, size: bytes.length, mediaType: MEDIA.dockerManifest, indexes: [] };
  await store.put({ ...image, manifests: [kept] });
  await store.setReference(parseReference(`reg.test/old@${digest}`), image.id);
  const lines = await push(bench, shelf, 'reg.test/new', '1');
  assert.ok(lines.includes(`${short(base)} Mounted from old`));
  assert.ok(shelf.manifests.get('reg.test/new:1')?.equals(bytes));
  // Another registry has nothing: there the layer goes as it is here.
  await push(bench, shelf, 'other.test/new', '1');
  assert.ok(!shelf.manifests.get('other.test/new:1')?.equals(bytes));
});

test('a layer of zstd goes as it came', async () => {
  await using bench = await ImageBench.open();
  const shelf = new Shelf();
  const wish = { layers: [zstdCompressSync(base)], plain: [base], tags: ['reg.test/z:1'] };
  await bench.load(await dockerArchive([wish]));
  await push(bench, shelf, 'reg.test/z', '1');
  const [layer] = bench.images.get(imageId(wish))?.layers ?? [];
  assert.equal(layer?.digest, sha256(wish.layers[0] ?? ''));
});
