import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { hexOf, sha256 } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import {
  bytesOf,
  chunksOf,
  configOf,
  dockerArchive,
  file,
  hardLink,
  type ImageWish,
  imageId,
  ociArchive,
  symlink,
  tar,
} from '../../test/fixture/archive.ts';
import { ImageBench } from '../../test/fixture/image-bench.ts';
import { exploreImage } from './explore.ts';
import { MEDIA } from './manifest.ts';

const signal = new AbortController().signal;
const base = await tar([file('bin/sh', 'shell'), file('etc/x', 'one')]);
const upper = await tar([file('etc/x', 'two, longer'), file('etc/.wh.gone')]);

const remove = (bench: ImageBench, name: string, force = false) =>
  bench.images.remove(name, { force, prune: true });
const actions = (bench: ImageBench) => bench.events.map((event) => event.action);

test('a saved image is loaded: names, layers, size, history, and again after a restart', async () => {
  await using bench = await ImageBench.open();
  const wish = { layers: [base, upper], tags: ['busybox:latest', 'reg:5000/b:v1'] };
  const lines = await bench.load(await dockerArchive([wish]));
  assert.deepEqual(lines, ['Loaded image: busybox:latest\n', 'Loaded image: reg:5000/b:v1\n']);
  for (const _ of ['now', 'after a restart']) {
    const image = bench.images.resolve('busybox');
    assert.equal(image.id, imageId(wish));
    assert.deepEqual(image.repoTags, ['busybox:latest', 'reg:5000/b:v1']);
    assert.deepEqual(image.diffIds, [sha256(base), sha256(upper)]);
    assert.deepEqual(image.config.cmd, ['sh']);
    assert.equal(image.size, 5 + 3 + 11);
    const rows = bench.images.history('busybox');
    assert.deepEqual(
      rows.map(({ id, createdBy, size }) => [id, createdBy, size]),
      [
        [image.id, 'step 1', 11],
        ['<missing>', 'step 0', 8],
      ],
    );
    await bench.reopen();
    assert.deepEqual(bench.images.problems, []);
  }
  assert.equal(bench.trees.length, 2);
  // In the order in which they were done, which is not that of the image.
  const gone = bench.trees.map(({ entries }) => entries.get('etc/gone')?.kind);
  assert.ok(gone.includes('whiteout'));
  assert.deepEqual(actions(bench), ['load']);
});

test('gzip and zstd layers, inside a gzip archive, give the same image', async () => {
  await using bench = await ImageBench.open();
  const wish = { layers: [gzipSync(base), zstdCompressSync(upper)], plain: [base, upper] };
  const lines = await bench.load(gzipSync(await dockerArchive([wish])));
  assert.deepEqual(lines, [`Loaded image ID: ${imageId(wish)}\n`]);
  const [image] = bench.images.list();
  assert.deepEqual(
    image?.layers.map((layer) => layer.mediaType),
    [MEDIA.ociLayerGzip, MEDIA.ociLayerZstd],
  );
  assert.equal(image?.size, 19);
});

test('layers that images share are unpacked once', async () => {
  await using bench = await ImageBench.open();
  await bench.load(
    await dockerArchive([
      { layers: [base, upper], tags: ['a:1'] },
      { layers: [base], tags: ['b:1'] },
      { layers: [upper, base], tags: ['c:1'] },
    ]),
  );
  // The same layers in another order stand on other parents: another chain.
  assert.equal(bench.trees.length, 4);
  await bench.load(await dockerArchive([{ layers: [base, upper], tags: ['d:1'] }]));
  assert.equal(bench.trees.length, 4);
  assert.equal(bench.images.list().length, 3);
  assert.deepEqual(bench.images.resolve('a:1').repoTags, ['a:1', 'd:1']);
});

test('layers that an archive holds as links are found', async () => {
  await using bench = await ImageBench.open();
  const wish = { layers: [base, base, base], tags: ['a:1'] };
  const archive = await tar([
    file('c.json', configOf(wish)),
    file('one/layer.tar', base),
    symlink('two/layer.tar', '../one/layer.tar'),
    hardLink('three/layer.tar', 'two/layer.tar'),
    file(
      'manifest.json',
      JSON.stringify([
        {
          Config: 'c.json',
          RepoTags: ['a:1'],
          Layers: ['one', 'two', 'three'].map((d) => `${d}/layer.tar`),
        },
      ]),
    ),
  ]);
  await bench.load(archive);
  assert.equal(bench.images.resolve('a:1').layers.length, 3);
});

test('a tag that another image had moves, and the old image stays without a name', async () => {
  await using bench = await ImageBench.open();
  const old = { layers: [base], tags: ['a:1'] };
  await bench.load(await dockerArchive([old]));
  const lines = await bench.load(await dockerArchive([{ layers: [upper], tags: ['a:1'] }]));
  assert.match(
    lines[0] ?? '',
    /^The image a:1 already exists, renaming the old one with ID sha256:/,
  );
  assert.deepEqual(bench.images.get(imageId(old))?.repoTags, []);
  assert.equal(bench.images.list({ dangling: true }).length, 1);
});

function oci(wish: ImageWish, more: Record<string, unknown> = {}) {
  const config = configOf(wish);
  const descriptor = (bytes: Uint8Array, mediaType: string) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: descriptor(config, MEDIA.ociConfig),
      layers: wish.layers.map((layer) => descriptor(layer, MEDIA.ociLayer)),
      ...more,
    }),
  );
  return {
    blobs: [config, manifest, ...wish.layers],
    descriptor: descriptor(manifest, MEDIA.ociManifest),
  };
}

test('an OCI layout is loaded, and of several platforms the one of this machine', async () => {
  await using bench = await ImageBench.open();
  const mine = oci({ layers: [base] });
  const other = oci({ layers: [upper] });
  const platform = (architecture: string) => ({ os: 'linux', architecture });
  const here = process.arch === 'x64' ? 'amd64' : 'arm64';
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociIndex,
      manifests: [
        { ...other.descriptor, platform: platform('s390x') },
        { ...mine.descriptor, platform: platform(here) },
      ],
    }),
  );
  const annotations = { 'io.containerd.image.name': 'docker.io/library/multi:v1' };
  const archive = await ociArchive([...mine.blobs, ...other.blobs, index], {
    manifests: [
      { mediaType: MEDIA.ociIndex, digest: sha256(index), size: index.length, annotations },
    ],
  });
  assert.deepEqual(await bench.load(archive), ['Loaded image: multi:v1\n']);
  assert.deepEqual(bench.images.resolve('multi:v1').diffIds, [sha256(base)]);
});

test('import makes an image of one layer with the changes applied', async () => {
  await using bench = await ImageBench.open();
  const image = await bench.images.import(chunksOf(gzipSync(base)), {
    signal,
    message: 'Imported from -',
    reference: 'mine',
    changes: ['CMD ["/bin/sh"]', 'ENV A=b', 'LABEL x=y'],
  });
  assert.deepEqual(image.repoTags, ['mine:latest']);
  assert.deepEqual(image.config.cmd, ['/bin/sh']);
  assert.equal(image.comment, 'Imported from -');
  assert.deepEqual(image.diffIds, [sha256(base)]);
  assert.equal(bench.images.history('mine')[0]?.comment, 'Imported from -');
  assert.equal(bench.events[0]?.actor.attributes['x'], 'y');
  await bench.reopen();
  assert.equal(bench.images.resolve('mine').id, image.id);
});

test('what save writes load reads: the same IDs, tags and bytes again', async () => {
  await using bench = await ImageBench.open();
  const wish = { layers: [gzipSync(base), upper], plain: [base, upper], tags: ['a:1', 'b/c:2'] };
  await bench.load(await dockerArchive([wish, { layers: [upper], tags: ['d:1'] }]));
  const saved = await bytesOf(bench.images.save(['a:1', 'b/c', 'd:1'], { signal }));
  assert.ok(saved.equals(await bytesOf(bench.images.save(['a:1', 'b/c', 'd:1'], { signal }))));
  await using second = await ImageBench.open();
  await second.load(saved);
  // By normal form, as Docker sorts them: docker.io/b/c is before docker.io/library/a.
  assert.deepEqual(second.images.resolve('a:1').repoTags, ['b/c:2', 'a:1']);
  assert.equal(second.images.resolve('b/c:2').id, bench.images.resolve('a:1').id);
  assert.equal(second.images.list().length, 2);
  assert.throws(() => bench.images.save(['nope'], { signal }), /No such image: nope:latest/);
});

test("an image is found by name, ID and the ID's start, or not, as Docker says it", async () => {
  await using bench = await ImageBench.open();
  const wish = { layers: [base], tags: ['a:1'] };
  await bench.load(await dockerArchive([wish]));
  const id = imageId(wish);
  for (const text of [
    'a:1',
    'docker.io/library/a:1',
    id,
    hexOf(id),
    hexOf(id).slice(0, 12),
    id.slice(0, 20),
  ]) {
    assert.equal(bench.images.resolve(text).id, id, text);
  }
  const missing = (text: string, message: string) =>
    assert.throws(
      () => bench.images.resolve(text),
      (error) => isEngineError(error, 'not_found') && error.message === message,
    );
  missing('a', 'No such image: a:latest');
  missing('reg.io/x/y:z', 'No such image: reg.io/x/y:z');
  missing('0'.repeat(64), `No such image: sha256:${'0'.repeat(64)}`);
  assert.throws(
    () => bench.images.resolve('A'),
    (error) => isEngineError(error, 'invalid_argument'),
  );
});

test('rmi takes the name, and with the last name the image, its layers and its blobs', async () => {
  await using bench = await ImageBench.open();
  const empty = await bench.files();
  await bench.load(
    await dockerArchive([
      { layers: [base, upper], tags: ['a:1', 'a:2'] },
      { layers: [base], tags: ['b:1'] },
    ]),
  );
  const id = bench.images.resolve('a:1').id;
  assert.deepEqual(await remove(bench, 'a:1'), [{ untagged: 'a:1' }]);
  const chain = bench.images.resolve('a:2').chain;
  assert.deepEqual(await remove(bench, 'a:2'), [
    { untagged: 'a:2' },
    { deleted: id },
    { deleted: chain },
  ]);
  assert.equal(bench.images.list().length, 1);
  await remove(bench, 'b:1');
  assert.deepEqual(await bench.files(), empty);
  assert.deepEqual(actions(bench).slice(2), ['untag', 'untag', 'delete', 'untag', 'delete']);
});

test('an image that is removed while it is saved or explored leaves nothing behind', async () => {
  await using bench = await ImageBench.open();
  const empty = await bench.files();
  const archive = await dockerArchive([{ layers: [base, upper], tags: ['a:1'] }]);
  await bench.load(archive);
  let chunks = 0;
  for await (const _ of bench.images.save(['a:1'], { signal })) {
    if (chunks === 0) await remove(bench, 'a:1');
    chunks += 1;
  }
  assert.deepEqual(await bench.files(), empty);
  await bench.load(archive);
  const opening = exploreImage(bench.images.deps, bench.images.resolve('a:1'), async () => {
    await remove(bench, 'a:1');
    throw new Error('the reader is gone');
  });
  await assert.rejects(opening, /the reader is gone/);
  assert.deepEqual(await bench.files(), empty);
});

test('rmi by ID takes one repository with it, but not several', async () => {
  await using bench = await ImageBench.open();
  await bench.load(await dockerArchive([{ layers: [base], tags: ['a:1', 'b:1'] }]));
  const id = bench.images.resolve('a:1').id;
  const short = hexOf(id).slice(0, 12);
  await assert.rejects(remove(bench, short), {
    message: `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  });
  await remove(bench, 'b:1');
  assert.deepEqual((await remove(bench, short)).slice(0, 2), [
    { untagged: 'a:1' },
    { deleted: id },
  ]);
});

test("rmi of an image in use is refused in Docker's words", async () => {
  await using bench = await ImageBench.open();
  await bench.load(await dockerArchive([{ layers: [base], tags: ['a:1'] }]));
  const image = bench.images.resolve('a:1');
  const short = hexOf(image.id).slice(0, 12);
  const container = 'c'.repeat(64);
  const use = (running: boolean) => {
    bench.users = [{ containerId: container, name: 'x', running, image: image.id }];
  };
  use(false);
  await assert.rejects(remove(bench, 'a:1'), {
    message: `conflict: unable to remove repository reference "a:1" (must force) - container ${'c'.repeat(12)} is using its referenced image ${short}`,
  });
  await assert.rejects(remove(bench, short), {
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${'c'.repeat(12)}`,
  });
  use(true);
  await assert.rejects(remove(bench, short, true), {
    message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${'c'.repeat(12)}`,
  });
  assert.deepEqual(await bench.images.prune({ signal, all: true }), { removed: [], bytes: 0 });
});

test('layers of an image removed by force stay until the container on them is gone', async () => {
  await using bench = await ImageBench.open();
  await bench.load(await dockerArchive([{ layers: [base, upper], tags: ['a:1'] }]));
  const { id, chain } = bench.images.resolve('a:1');
  await bench.snapshots.prepare('c1', chain);
  bench.users = [{ containerId: 'c1', name: 'x', running: false, image: id }];
  assert.deepEqual(await remove(bench, 'a:1', true), [{ untagged: 'a:1' }, { deleted: id }]);
  assert.equal(bench.snapshots.root('c1').lower.length, 2);
  await bench.reopen();
  assert.equal(bench.snapshots.root('c1').lower.length, 2);
  await bench.snapshots.remove('c1');
  await bench.images.release(chain);
  assert.deepEqual(bench.snapshots.list(), []);
});

test('list filters by name, label, age and danglingness', async () => {
  await using bench = await ImageBench.open();
  const at = (day: number, labels: Record<string, string>) => ({
    created: `2026-01-0${day}T00:00:00Z`,
    config: { Labels: labels },
  });
  await bench.load(
    await dockerArchive([
      { layers: [base], tags: ['a:1', 'reg.io/team/a:2'], config: at(1, { k: 'v' }) },
      { layers: [base], tags: ['b:1'], config: at(2, { k: 'w' }) },
      { layers: [upper], tags: null, config: at(3, {}) },
    ]),
  );
  const tags = (options: Parameters<typeof bench.images.list>[0]) =>
    bench.images.list(options).map((image) => image.repoTags.join(' '));
  assert.deepEqual(tags({}), ['', 'b:1', 'a:1 reg.io/team/a:2']);
  assert.deepEqual(tags({ references: ['a'] }), ['a:1']);
  assert.deepEqual(tags({ references: ['*:1'] }), ['b:1', 'a:1']);
  assert.deepEqual(tags({ references: ['reg.io/*/a'] }), ['reg.io/team/a:2']);
  assert.deepEqual(tags({ labels: ['k'] }), ['b:1', 'a:1 reg.io/team/a:2']);
  assert.deepEqual(tags({ labels: ['k=w'] }), ['b:1']);
  assert.deepEqual(tags({ before: 'b:1' }), ['a:1 reg.io/team/a:2']);
  assert.deepEqual(tags({ since: 'b:1' }), ['']);
  assert.deepEqual(tags({ dangling: true }), ['']);
  const pruned = await bench.images.prune({ signal });
  assert.equal(pruned.bytes, 11);
  assert.equal(bench.images.list().length, 2);
  await bench.images.prune({ signal, all: true, labels: ['k=v'] });
  assert.deepEqual(tags({}), ['b:1']);
});

test('tag gives a further name, and moves one that another image has', async () => {
  await using bench = await ImageBench.open();
  await bench.load(
    await dockerArchive([
      { layers: [base], tags: ['a:1'] },
      { layers: [upper], tags: ['b:1'] },
    ]),
  );
  await bench.images.tag('a:1', 'b:1');
  await bench.images.tag('a:1', 'c');
  assert.deepEqual(bench.images.resolve('a:1').repoTags, ['a:1', 'b:1', 'c:latest']);
  assert.deepEqual(bench.events.at(-1)?.actor.attributes, { name: 'c:latest' });
  await assert.rejects(bench.images.tag('a:1', `x@sha256:${'0'.repeat(64)}`), {
    message: 'refusing to create a tag with a digest reference',
  });
  await assert.rejects(bench.images.tag('nope', 'x'), { message: 'No such image: nope:latest' });
});

test('a damaged record or blob takes one object out, is named, and nothing is deleted for it', async () => {
  await using bench = await ImageBench.open();
  await bench.load(
    await dockerArchive([
      { layers: [base], tags: ['a:1'] },
      { layers: [upper], tags: ['b:1'] },
    ]),
  );
  const id = bench.images.resolve('a:1').id;
  writeFileSync(join(bench.dataRoot, 'images', `${hexOf(id)}.json`), '{"version":1,');
  await bench.reopen();
  assert.equal(bench.images.resolve('b:1').repoTags[0], 'b:1');
  assert.throws(() => bench.images.resolve('a:1'), /No such image/);
  // The record, and the tag that points to it.
  assert.equal(bench.images.problems.length, 2);
  assert.equal(bench.snapshots.list().length, 2);
});

test('two loads of the same image at once end with one image', async () => {
  await using bench = await ImageBench.open();
  const archive = await dockerArchive([{ layers: [base, upper], tags: ['a:1'] }]);
  await Promise.all([bench.load(archive), bench.load(archive), bench.load(archive)]);
  assert.equal(bench.images.list().length, 1);
  assert.equal(bench.trees.length, 2);
  assert.deepEqual(bench.undoFailures, []);
});
