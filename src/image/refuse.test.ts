// Archives that lie, break off or attack: the answer is an error, and nothing is left of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sha256 } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import {
  chunksOf,
  configOf,
  dockerArchive,
  file,
  hardLink,
  ociArchive,
  symlink,
  tar,
} from '../../test/fixture/archive.ts';
import { ImageBench } from '../../test/fixture/image-bench.ts';
import { MEDIA } from './manifest.ts';

const layer = await tar([file('a', 'content')]);
const good = { layers: [layer], tags: ['good:1'] };

/** Loading fails with that text, and every file below the data root is as before. */
async function refused(archive: Uint8Array, text: RegExp): Promise<void> {
  await using bench = await ImageBench.open();
  await bench.load(await dockerArchive([good]));
  const before = await bench.files();
  await assert.rejects(bench.load(archive), (error) => {
    assert.ok(error instanceof EngineError, String(error));
    assert.match(error.message, text);
    assert.doesNotMatch(error.message, /coracle-image-/);
    return true;
  });
  assert.deepEqual(await bench.files(), before);
  assert.deepEqual(bench.undoFailures, []);
  assert.ok(bench.trees.every((tree) => tree.closed));
}

const other = await tar([file('b', 'other content')]);
const bad = (item: Record<string, unknown>, config: Record<string, unknown> = {}) =>
  dockerArchive([{ layers: [other], tags: ['bad:1'], item, config }]);

test('no archive, half an archive, and one without a manifest', async () => {
  await refused(Buffer.alloc(0), /does not contain a manifest.json/);
  await refused(Buffer.from('hello, world\n'.repeat(100)), /invalid tar archive/);
  const whole = await bad({});
  await refused(whole.subarray(0, whole.length / 2), /end of archive/);
  await refused(gzipSync(whole).subarray(0, 300), /gzip/);
  await refused(await tar([file('x')]), /does not contain a manifest.json/);
});

test('a manifest that is not what it should be', async () => {
  const manifest = (text: string) => tar([file('manifest.json', text)]);
  await refused(await manifest('nonsense'), /not JSON/);
  await refused(await manifest('{}'), /must be a list/);
  await refused(await manifest('[1]'), /must be an object/);
  await refused(await manifest('[{"Config":1}]'), /Config must be a string/);
  await refused(
    await manifest('[{"Config":"a","Layers":["b",2]}]'),
    /Layers\[1\] must be a string/,
  );
  await refused(await manifest(`[{"Config":"${'x'.repeat(5_000_000)}"}]`), /exceeds/);
  await refused(
    await manifest(JSON.stringify(Array(1001).fill({ Config: 'a' }))),
    /more than 1000/,
  );
});

test('paths in the manifest that leave the archive, or name nothing in it', async () => {
  for (const path of ['../../../../etc/passwd', '/../etc/passwd', 'a/../../b']) {
    await refused(await bad({ Config: path }), /climbs out/);
    await refused(await bad({ Layers: [path] }), /climbs out/);
  }
  await refused(await bad({ Config: '/etc/passwd' }), /does not contain "\/etc\/passwd"/);
  await refused(await bad({ Layers: ['nope'] }), /does not contain "nope"/);
  await refused(await bad({ Config: '' }), /does not contain ""/);
});

test('links in the archive that leave it or run in circles', async () => {
  const withLink = async (item: ReturnType<typeof symlink>) =>
    dockerArchive([{ layers: [other], item: { Layers: ['link'] } }], [item]);
  await refused(await withLink(symlink('link', '../../etc/passwd')), /invalid link/);
  await refused(await withLink(symlink('link', '/etc/passwd')), /does not contain/);
  await refused(await withLink(hardLink('link', '../x')), /invalid link/);
  await refused(await withLink(symlink('link', 'link')), /too many links/);
});

test('layers that are not what the config promises', async () => {
  const wrong = { rootfs: { type: 'layers', diff_ids: [sha256('x')] } };
  await refused(await bad({}, wrong), /^invalid diffID for layer 0: expected "sha256:/);
  const two = { rootfs: { type: 'layers', diff_ids: [sha256(other), sha256(other)] } };
  await refused(await bad({}, two), /layers length mismatch: expected 1, got 2/);
  const packed = { layers: [gzipSync(other)], plain: [await tar([file('c')])] };
  await refused(await dockerArchive([packed]), /^invalid diffID for layer 0/);
});

test('a known layer is not taken from an archive that only claims to have it', async () => {
  await using bench = await ImageBench.open();
  await bench.load(await dockerArchive([good]));
  const liar = { layers: [gzipSync(other)], plain: [layer], tags: ['liar:1'] };
  await bench.load(await dockerArchive([liar]));
  assert.equal(bench.trees.length, 1);
  assert.deepEqual(bench.images.resolve('liar:1').layers[0]?.digest, sha256(layer));
});

test('a blob whose name lies', async () => {
  const config = configOf({ layers: [other] });
  const name = `blobs/sha256/${'0'.repeat(64)}`;
  const archive = await tar([
    file(name, config),
    file('layer.tar', other),
    file('manifest.json', JSON.stringify([{ Config: name, Layers: ['layer.tar'] }])),
  ]);
  await refused(archive, /has digest sha256:/);
});

test('a config with wrong types, too many entries, or that is something else', async () => {
  const config = (more: Record<string, unknown>) => bad({}, { config: more });
  await refused(await config({ Env: 'PATH=/bin' }), /Env must be a list/);
  await refused(await config({ Env: [{}] }), /Env\[0\] must be a string/);
  await refused(await config({ Env: Array(100_000).fill('A=b') }), /more than 10000 entries/);
  await refused(await config({ Labels: [] }), /Labels must be an object/);
  await refused(await config({ ExposedPorts: 80 }), /ExposedPorts must be an object/);
  await refused(
    await config({ Healthcheck: { Interval: 'x' } }),
    /Interval must be a whole number/,
  );
  await refused(await bad({}, { config: 'sh' }), /config must be an object/);
  await refused(await bad({}, { rootfs: undefined }), /no RootFS key/);
  await refused(await bad({}, { rootfs: { type: 'base' } }), /unknown rootfs type/);
  await refused(
    await bad({}, { rootfs: { type: 'layers', diff_ids: ['../x'] } }),
    /invalid digest/,
  );
  await refused(await bad({}, { created: 'yesterday' }), /not a time/);
  await refused(await bad({}, { os: 'windows' }), /cannot load windows image on linux/);
  await refused(await bad({}, { layers: [] }), /config is a manifest/);
  await refused(await bad({}, { history: Array(3).fill({}) }), /too many non-empty layers/);
});

test('a config cannot reach a prototype', async () => {
  await using bench = await ImageBench.open();
  const labels = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
  await bench.load(await bad({}, { config: { Labels: labels } }));
  const image = bench.images.resolve('bad:1');
  assert.equal(Object.getPrototypeOf(image.config.labels), null);
  assert.equal(image.config.labels['constructor'], 'y');
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});

test('tags that are not tags', async () => {
  await refused(await bad({ RepoTags: ['UPPER:1'] }), /must be lowercase/);
  await refused(await bad({ RepoTags: ['notag'] }), /invalid tag "notag"/);
  await refused(await bad({ RepoTags: ['../../x:1'] }), /invalid reference format/);
});

test('one bad layer takes the whole image away, also the layers before it', async () => {
  const climbing = await tar([file('ok'), file('../../etc/cron.d/x', 'boom')]);
  await refused(
    await dockerArchive([{ layers: [other, climbing], tags: ['bad:1'] }]),
    /climbs out/,
  );
  const cut = other.subarray(0, 700);
  await refused(await dockerArchive([{ layers: [other, cut], tags: ['bad:1'] }]), /end of archive/);
});

test('an OCI layout whose parts disagree', async () => {
  const wish = { layers: [other] };
  const config = configOf(wish);
  const d = (bytes: Uint8Array, mediaType: string, more = {}) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
    ...more,
  });
  const manifestOf = (more: Record<string, unknown>) =>
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA.ociManifest,
        config: d(config, MEDIA.ociConfig),
        layers: [d(other, MEDIA.ociLayer)],
        ...more,
      }),
    );
  const layout = (manifest: Buffer, descriptor = {}) =>
    ociArchive([config, manifest, other], {
      manifests: [d(manifest, MEDIA.ociManifest, descriptor)],
    });
  const fine = manifestOf({});
  await refused(await layout(fine, { size: 3 }), /expected 3/);
  await refused(await layout(fine, { digest: 'sha256:../../x' }), /invalid digest/);
  await refused(await layout(fine, { digest: sha256('?') }), /does not contain/);
  await refused(await layout(fine, { mediaType: 'text/plain' }), /no matching manifest/);
  await refused(await layout(fine, { mediaType: MEDIA.dockerManifest }), /media types disagree/);
  await refused(await layout(manifestOf({ manifests: [] })), /both a manifest and an index/);
  await refused(await layout(manifestOf({ fsLayers: [] })), /schema 1/);
  await refused(await layout(manifestOf({ schemaVersion: 1 })), /schema 1/);
  const confused = manifestOf({ config: d(config, MEDIA.ociIndex) });
  await refused(await layout(confused), /config has media type/);
  const script = manifestOf({ layers: [d(other, 'application/x-sh')] });
  await refused(await layout(script), /layer has media type/);
  const short = manifestOf({ layers: [d(other, MEDIA.ociLayer, { size: 1 })] });
  await refused(await layout(short), /expected 1/);
  await refused(
    await layout(fine, { platform: { os: 'plan9', architecture: 'mips' } }),
    /no matching/,
  );
});

test('import of a cut archive, of garbage, or with a wrong change', async () => {
  await using bench = await ImageBench.open();
  const before = await bench.files();
  const importing = (bytes: Uint8Array, more = {}) =>
    bench.images.import(chunksOf(bytes), {
      signal: new AbortController().signal,
      message: '',
      ...more,
    });
  await assert.rejects(importing(layer.subarray(0, 1000)), /end of archive/);
  await assert.rejects(importing(Buffer.from('x'.repeat(2000))), /invalid tar archive/);
  await assert.rejects(importing(layer, { changes: ['RUN rm -rf /'] }), {
    message: 'run is not a valid change command',
  });
  await assert.rejects(importing(layer, { reference: 'UPPER' }), /must be lowercase/);
  assert.deepEqual(await bench.files(), before);
});

test('a sender that goes away leaves nothing', async () => {
  await using bench = await ImageBench.open();
  const before = await bench.files();
  const archive = await dockerArchive([good]);
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield archive.subarray(0, archive.length - 2000);
    throw new Error('connection reset');
  }
  const signal = new AbortController().signal;
  await assert.rejects(bench.images.load(breaking(), { signal }), /connection reset/);
  await assert.rejects(bench.images.load(chunksOf(archive), { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
  assert.deepEqual(await bench.files(), before);
});
