// Pulls from a registry in memory: what is told, kept, shared, resumed and refused.
import assert from 'node:assert/strict';
import { linkSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Digest, sha256 } from '#base/digest.ts';
import { EngineError, isEngineError } from '#base/error.ts';
import { dir, file, imageId, type ImageWish, tar } from '../../../test/fixture/archive.ts';
import { ImageBench } from '../../../test/fixture/image-bench.ts';
import { DOCKER_TYPES, MemoryRegistry, OCI_INDEX } from '../../../test/fixture/memory-registry.ts';
import type { Progress } from '../load.ts';
import type { PullOptions } from './pull.ts';

const signal = new AbortController().signal;

/** Layers of random text, so that they do not shrink. */
async function wishOf(seed: string, count = 3, bytes = 4000): Promise<ImageWish> {
  const text = (i: number): string => {
    let out = '';
    for (let n = 0; out.length < bytes; n += 1) out += sha256(Buffer.from(`${seed} ${i} ${n}`));
    return out;
  };
  const plain = await Promise.all(
    Array.from({ length: count }, (_, i) => tar([dir(`d${i}`), file(`d${i}/${seed}`, text(i))])),
  );
  return { plain, layers: plain.map((layer) => gzipSync(layer)) };
}

async function withShelf(
  run: (bench: ImageBench, registry: MemoryRegistry) => Promise<void>,
): Promise<void> {
  const registry = new MemoryRegistry();
  await using bench = await ImageBench.open(undefined, registry);
  await run(bench, registry);
}

async function pull(
  bench: ImageBench,
  name: string,
  options: Partial<PullOptions> = {},
): Promise<readonly string[]> {
  const lines: string[] = [];
  const onProgress = (progress: Progress): void => {
    if ('stream' in progress) return;
    const { detail, id, status } = progress;
    const numbers = detail?.total === undefined ? '' : ' N';
    lines.push(`${id === undefined ? '' : `${id}: `}${status}${numbers}`);
  };
  await bench.images.pull(name, { signal, auth: undefined, onProgress, ...options });
  return lines;
}

const short = (bytes: Uint8Array | undefined): string => sha256(bytes ?? '').slice(7, 19);
const partials = (bench: ImageBench) => readdirSync(join(bench.dataRoot, 'ingest/partial'));
const refusedWith = (code: Parameters<typeof isEngineError>[1], text: RegExp) => (e: unknown) =>
  isEngineError(e, code) && text.test(e.message);

test('a pull tells what dockerd tells, and its image has its names, digest and manifest', async () => {
  await withShelf(async (bench, registry) => {
    const wish = await wishOf('a');
    const { digest } = registry.putImage('1', wish);
    const lines = await pull(bench, 'shelf.example/a/b:1');
    const ids = wish.layers.map(short);
    assert.equal(lines[0], '1: Pulling from a/b');
    for (const id of ids) {
      const own = lines.filter((line) => line.startsWith(id)).map((line) => line.slice(14));
      assert.deepEqual(
        own.filter((line) => !/ N$/.test(line)),
        ['Pulling fs layer', 'Verifying Checksum', 'Download complete', 'Pull complete'],
      );
    }
    assert.deepEqual(
      lines.filter((line) => /Pull complete/.test(line)).map((line) => line.slice(0, 12)),
      ids,
    );
    assert.deepEqual(lines.slice(-2), [
      `Digest: ${digest}`,
      'Status: Downloaded newer image for shelf.example/a/b:1',
    ]);
    const image = bench.images.resolve('shelf.example/a/b:1');
    assert.equal(image.id, imageId(wish));
    assert.deepEqual(image.repoDigests, [`shelf.example/a/b@${digest}`]);
    assert.deepEqual(
      image.manifests.map((kept) => [kept.digest, kept.indexes.length]),
      [[digest, 0]],
    );
    assert.ok(bench.images.deps.content.has(digest));
    assert.deepEqual(partials(bench), []);
    assert.deepEqual(bench.events.at(-1), {
      type: 'image',
      action: 'pull',
      actor: { id: 'shelf.example/a/b:1', attributes: { name: 'shelf.example/a/b' } },
    });
    assert.deepEqual(bench.undoFailures, []);
  });
});

test('a tag that did not move is one HEAD; one that did is pulled, with only what is new', async () => {
  await withShelf(async (bench, registry) => {
    const old = await wishOf('old', 2);
    registry.putImage('latest', old);
    await pull(bench, 'a.b/c');
    registry.log.length = 0;
    const again = await pull(bench, 'a.b/c');
    assert.equal(again.at(-1), 'Status: Image is up to date for a.b/c:latest');
    assert.deepEqual(registry.log, ['head latest']);

    const added = await wishOf('new', 1);
    const moved: ImageWish = {
      layers: [...old.layers, ...added.layers],
      plain: [...(old.plain ?? []), ...(added.plain ?? [])],
    };
    registry.putImage('latest', moved);
    registry.log.length = 0;
    const lines = await pull(bench, 'a.b/c');
    for (const layer of old.layers) assert.ok(lines.includes(`${short(layer)}: Already exists`));
    assert.equal(lines.at(-1), 'Status: Downloaded newer image for a.b/c:latest');
    assert.equal(registry.log.filter((line) => line.startsWith('blob')).length, 2);
    assert.equal(bench.images.resolve('a.b/c').id, imageId(moved));
    assert.deepEqual(bench.images.resolve(imageId(old)).repoTags, []);
  });
});

test('an index gives the image of the platform, and its own digest to the repository', async () => {
  await withShelf(async (bench, registry) => {
    const [amd, arm] = [await wishOf('amd'), await wishOf('arm')];
    const platform = (architecture: string) => ({ platform: { os: 'linux', architecture } });
    const attestation = {
      ...registry.putImage(undefined, await wishOf('attestation')),
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    };
    const index = {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        attestation,
        { ...registry.putImage(undefined, arm), ...platform('arm64') },
        { ...registry.putImage(undefined, amd), ...platform('amd64') },
      ],
    };
    const { digest } = registry.putManifest('1', index, OCI_INDEX);
    await pull(bench, 'a.b/c:1', { platform: { os: 'linux', architecture: 'amd64', variant: '' } });
    const image = bench.images.resolve('a.b/c:1');
    assert.equal(image.id, imageId(amd));
    assert.deepEqual(image.repoDigests, [`a.b/c@${digest}`]);
    assert.deepEqual(image.manifests[0]?.indexes[0]?.digest, digest);
    assert.ok(bench.images.deps.content.has(digest));

    // The other platform takes the names over, as there is one image a name.
    const wanted = { os: 'linux', architecture: 'arm64', variant: '' };
    await pull(bench, 'a.b/c:1', { platform: wanted });
    assert.equal(bench.images.resolve('a.b/c:1').id, imageId(arm));
    await assert.rejects(
      pull(bench, 'a.b/c:1', { platform: { ...wanted, architecture: 's390x' } }),
      refusedWith('not_found', /^no matching manifest for linux\/s390x in the manifest list/),
    );
    const removed = await bench.images.remove('a.b/c:1', { force: false, prune: true });
    assert.ok(removed.length > 0);
    assert.ok(bench.images.deps.content.has(digest), 'the other image came by it, too');
    await bench.images.remove(imageId(amd), { force: true, prune: true });
    assert.ok(!bench.images.deps.content.has(digest));
  });
});

test('indexes inside indexes have an end', async () => {
  await withShelf(async (bench, registry) => {
    const platform = { os: 'linux', architecture: 'amd64' };
    let inner: object = { ...registry.putImage(undefined, await wishOf('deep')), platform };
    for (let depth = 0; depth < 8; depth += 1) {
      const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [inner] };
      inner = { ...registry.putManifest('deep', index, OCI_INDEX), platform };
    }
    await assert.rejects(
      pull(bench, 'a.b/c:deep', { platform: { ...platform, variant: '' } }),
      refusedWith('corrupt', /too many indexes/),
    );
  });
});

test('by digest there is a digest and no tag', async () => {
  await withShelf(async (bench, registry) => {
    const { digest } = registry.putImage(undefined, await wishOf('x'));
    const lines = await pull(bench, `a.b/c@${digest}`);
    assert.equal(lines[0], `${digest}: Pulling from c`);
    assert.equal(lines.at(-1), `Status: Downloaded newer image for a.b/c@${digest}`);
    const [image] = bench.images.list();
    assert.deepEqual([image?.repoTags, image?.repoDigests], [[], [`a.b/c@${digest}`]]);
    const again = await pull(bench, `a.b/c@${digest}`);
    assert.equal(again.at(-1), `Status: Image is up to date for a.b/c@${digest}`);
  });
});

test('all tags', async () => {
  await withShelf(async (bench, registry) => {
    registry.putImage('1', await wishOf('one', 1));
    registry.putImage('2', await wishOf('two', 1));
    const lines = await pull(bench, 'a.b/c', { all: true });
    assert.equal(lines.filter((line) => line.startsWith('Digest: ')).length, 2);
    assert.equal(lines.at(-1), 'Status: Downloaded newer image for a.b/c');
    assert.equal(bench.images.list().flatMap(({ repoTags }) => repoTags).length, 2);
    await assert.rejects(pull(bench, 'a.b/c:1', { all: true }), /can't be used with --all-tags/);
  });
});

test('an image under two manifests keeps both, and gives back what the last one held', async () => {
  await withShelf(async (bench, registry) => {
    const wish = await wishOf('same');
    const one = registry.putImage('1', wish);
    const two = registry.putImage('2', wish, DOCKER_TYPES, { annotations: { a: 'b' } });
    await pull(bench, 'a.b/c:1');
    const lines = await pull(bench, 'a.b/c:2');
    assert.ok(!lines.some((line) => /layer/.test(line)), 'the image is here');
    const image = bench.images.resolve('a.b/c:2');
    assert.deepEqual(
      image.manifests.map(({ digest }) => digest),
      [one.digest, two.digest],
    );
    await bench.reopen();
    assert.equal(bench.images.resolve('a.b/c:1').manifests.length, 2);
    await bench.images.remove(image.id, { force: true, prune: true });
    assert.deepEqual(bench.images.deps.content.list(), []);
  });
});

test('pulls of one image at once fetch each blob once, at most three at a time', async () => {
  await withShelf(async (bench, registry) => {
    registry.putImage('1', await wishOf('busy', 6));
    registry.onPiece = () => new Promise((resolve) => setImmediate(resolve));
    const all = await Promise.all(Array.from({ length: 4 }, () => pull(bench, 'a.b/c:1')));
    for (const lines of all) assert.match(lines.at(-1) ?? '', /^Status: /);
    const blobs = registry.log.filter((line) => line.startsWith('blob'));
    assert.equal(blobs.length, 7);
    assert.equal(new Set(blobs).size, 7);
    assert.equal(registry.runningMost, 3);
    assert.ok(all[0]?.some((line) => / Waiting$/.test(line)));
    assert.deepEqual(partials(bench), []);
  });
});

test('a download stops when the last of its askers has gone, and goes on for the next', async () => {
  await withShelf(async (bench, registry) => {
    const wish = await wishOf('slow', 1);
    const layer = sha256(wish.layers[0] ?? '');
    registry.putImage('1', wish);
    const reached = Promise.withResolvers<void>();
    registry.onPiece = (digest, at, stopped) => {
      if (digest !== layer || at < 1024) return;
      reached.resolve();
      return new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }));
    };
    const [first, second] = [new AbortController(), new AbortController()];
    const pulls = [first, second].map((each) => pull(bench, 'a.b/c:1', { signal: each.signal }));
    const ends = Promise.allSettled(pulls);
    await reached.promise;
    first.abort();
    await assert.rejects(pulls[0] ?? Promise.resolve());
    assert.equal(registry.running, 1, 'the second still asks');
    second.abort();
    await ends;
    assert.equal(registry.running, 0);
    assert.deepEqual(bench.images.list(), []);
    assert.equal(partials(bench).length, 2, 'the config, and a part of the layer');

    registry.onPiece = () => {};
    registry.log.length = 0;
    await pull(bench, 'a.b/c:1');
    assert.deepEqual(registry.log, ['manifest 1', `blob ${layer} from 1024`]);
    assert.deepEqual(partials(bench), []);
  });
});

test('a failed pull leaves no image and no layer, and its blobs for the next life', async () => {
  await withShelf(async (bench, registry) => {
    const wish = await wishOf('cut', 3);
    const bad = sha256(wish.layers[2] ?? '');
    registry.putImage('1', wish);
    registry.onPiece = (digest, at) => {
      if (digest === bad && at > 512) throw new EngineError('unavailable', 'connection cut');
    };
    await assert.rejects(pull(bench, 'a.b/c:1'), refusedWith('unavailable', /connection cut/));
    assert.deepEqual(bench.images.list(), []);
    assert.deepEqual(bench.snapshots.list(), []);
    assert.deepEqual(bench.images.deps.content.list(), []);
    assert.equal(partials(bench).length, 4);

    await bench.reopen();
    registry.onPiece = () => {};
    registry.log.length = 0;
    await pull(bench, 'a.b/c:1');
    assert.ok(registry.log.includes(`blob ${bad} from 1024`));
    assert.ok(!registry.log.some((line) => line.endsWith('from 0')));
    assert.deepEqual(bench.undoFailures, []);
  });
});

test('a failed pull leaves no layer, also of a lowest one that comes plain', async () => {
  await withShelf(async (bench, registry) => {
    const layers = [await tar([dir('a')]), Buffer.from('no archive'.repeat(200))];
    const layer = 'application/vnd.oci.image.layer.v1.tar';
    const manifest = 'application/vnd.oci.image.manifest.v1+json';
    registry.putImage('1', { layers }, { ...DOCKER_TYPES, manifest, layer });
    registry.onPiece = async (digest) => {
      if (digest !== sha256(layers[1] ?? '')) return;
      while (bench.snapshots.list().length === 0) await new Promise(setImmediate);
    };
    await assert.rejects(pull(bench, 'a.b/c:1'), refusedWith('corrupt', /invalid tar archive/));
    assert.deepEqual(bench.snapshots.list(), []);
  });
});

test('partials go when they are old, when they are pruned, and when the disk is full', async () => {
  await withShelf(async (bench, registry) => {
    registry.putImage('1', await wishOf('left', 2));
    const fail = (error: Error) => {
      registry.onPiece = (_, at) => {
        if (at > 512) throw error;
      };
    };
    fail(new EngineError('unavailable', 'cut'));
    await assert.rejects(pull(bench, 'a.b/c:1'));
    const left = partials(bench).length;
    assert.ok(left > 0);
    const { bytes: all, free } = await bench.images.partials();
    assert.ok(all > 0 && free === all);
    for (const name of partials(bench)) {
      utimesSync(join(bench.dataRoot, 'ingest/partial', name), 1, 1);
    }
    await bench.reopen();
    assert.deepEqual(partials(bench), []);

    await assert.rejects(pull(bench, 'a.b/c:1'));
    assert.equal(partials(bench).length, left);
    const { bytes } = await bench.images.prune({ signal });
    assert.ok(bytes > 0);
    assert.deepEqual(partials(bench), []);

    fail(new EngineError('kernel_refused', 'write: no space', { facts: { errno: 'ENOSPC' } }));
    await assert.rejects(pull(bench, 'a.b/c:1'), /no space/);
    assert.deepEqual(partials(bench), []);
  });
});

test('a partial that became a blob when the engine was killed does not stay', async () => {
  await withShelf(async (bench, registry) => {
    registry.putImage('1', await wishOf('twice', 1));
    await pull(bench, 'a.b/c:1');
    const { content } = bench.images.deps;
    const [digest] = content.list();
    assert.ok(digest !== undefined);
    linkSync(content.path(digest), content.partials.path(digest));
    await bench.reopen();
    assert.deepEqual(partials(bench), []);
    assert.ok(bench.images.deps.content.has(digest));
  });
});

test('one pull that may not does not take another with it', async () => {
  await withShelf(async (bench, registry) => {
    const wish = await wishOf('auth', 1);
    registry.putImage('1', wish);
    let refusals = 1;
    registry.onPiece = async (digest) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (digest === sha256(wish.layers[0] ?? '') && refusals-- > 0) {
        throw new EngineError('unauthorized', 'denied');
      }
    };
    const ends = await Promise.allSettled([pull(bench, 'a.b/c:1'), pull(bench, 'a.b/c:1')]);
    assert.deepEqual(ends.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    assert.equal(bench.images.list().length, 1);
  });
});

test('what is no image for here is refused with what it is', async () => {
  await withShelf(async (bench, registry) => {
    const wish = await wishOf('odd', 1);
    const refused = async (code: Parameters<typeof isEngineError>[1], text: RegExp) => {
      await assert.rejects(pull(bench, 'a.b/c:odd'), refusedWith(code, text));
      assert.deepEqual(bench.images.list(), []);
      assert.ok(!registry.log.some((line) => line.startsWith('blob') && line.includes(foreign)));
    };
    const foreign = sha256(wish.layers[0] ?? '');
    registry.putImage('odd', wish, {
      ...DOCKER_TYPES,
      layer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    });
    await refused('invalid_argument', /may not hand out.*never fetched/);
    registry.putImage('odd', wish, { ...DOCKER_TYPES, config: 'application/vnd.helm.config' });
    await refused('invalid_argument', /not an image but an artifact.*vnd\.helm\.config/);
    registry.putManifest('odd', { schemaVersion: 1, fsLayers: [] }, '');
    await refused('invalid_argument', /schema 1/);
    registry.putImage('odd', { ...wish, config: { os: 'windows' } });
    await refused('invalid_argument', /windows image/);
    const { layers } = wish;
    registry.putImage('odd', { layers, plain: [Buffer.from('another')] });
    await assert.rejects(pull(bench, 'a.b/c:odd'), refusedWith('corrupt', /invalid diffID/));
    assert.deepEqual(bench.images.list(), []);
    assert.deepEqual(bench.snapshots.list(), []);
    registry.putImage('odd', { layers, plain: [...(wish.plain ?? []), Buffer.from('more')] });
    await assert.rejects(pull(bench, 'a.b/c:odd'), refusedWith('corrupt', /length mismatch/));
    await assert.rejects(pull(bench, 'a.b/c:none'), refusedWith('not_found', /unknown/));
  });
});

test('what a pull works with is not collected by a removal meanwhile', async () => {
  await withShelf(async (bench, registry) => {
    const base = await wishOf('base', 2);
    const top = await wishOf('top', 1);
    const child: ImageWish = {
      layers: [...base.layers, ...top.layers],
      plain: [...(base.plain ?? []), ...(top.plain ?? [])],
    };
    registry.putImage('base', base);
    registry.putImage('child', child);
    await pull(bench, 'a.b/c:base');
    const topDigest: Digest = sha256(top.layers[0] ?? '');
    let removals = 0;
    registry.onPiece = async (digest) => {
      if (digest !== topDigest || removals > 0) return;
      removals += 1;
      await bench.images.remove('a.b/c:base', { force: true, prune: true });
    };
    await pull(bench, 'a.b/c:child');
    assert.equal(removals, 1);
    const { chains, layers } = bench.images.resolve('a.b/c:child');
    assert.ok(chains.every((chain) => bench.snapshots.has(chain)));
    assert.ok(layers.every(({ digest }) => bench.images.deps.content.has(digest)));
  });
});
