// The image record on disk: what older versions wrote is read, what is kept is bounded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, sha256 } from '#base/digest.ts';
import { EMPTY_CONFIG } from './config.ts';
import {
  type KeptManifest,
  MANIFESTS_KEPT_MAX,
  type StoredImage,
  blobsOf,
  encodeImageRecord,
  parseImageRecord,
  withManifest,
} from './record.ts';

const digest = (text: string): Digest => sha256(Buffer.from(text));
const blob = (text: string) => ({ digest: digest(text), size: 3, mediaType: 'application/x' });
const kept = (text: string): KeptManifest => ({ ...blob(text), indexes: [blob(`${text} index`)] });
const IMAGE: StoredImage = {
  id: digest('config'),
  created: undefined,
  author: '',
  comment: '',
  dockerVersion: '',
  architecture: 'amd64',
  variant: '',
  os: 'linux',
  osVersion: '',
  config: EMPTY_CONFIG,
  diffIds: [digest('plain')],
  history: [],
  chain: undefined,
  chains: [],
  layers: [{ diffId: digest('plain'), ...blob('layer') }],
  manifests: [kept('manifest')],
  parent: undefined,
  size: 5,
  lastTagged: 7n,
};

test('a record tells the manifests that its image came by, and their blobs are needed', () => {
  const read = parseImageRecord(Buffer.from(encodeImageRecord(IMAGE)));
  assert.deepEqual(read.manifests, IMAGE.manifests);
  assert.deepEqual(blobsOf(IMAGE), ['config', 'layer', 'manifest', 'manifest index'].map(digest));
});

test('a record of version 1 is read as one without manifests', () => {
  const { manifests: _, ...old } = JSON.parse(encodeImageRecord(IMAGE));
  const read = parseImageRecord(Buffer.from(JSON.stringify({ ...old, version: 1 })));
  assert.deepEqual(read.manifests, []);
  assert.deepEqual(read.layers, IMAGE.layers);
});

test('an image keeps its newest manifests, each once', () => {
  let manifests: readonly KeptManifest[] = [];
  for (let i = 0; i < MANIFESTS_KEPT_MAX + 2; i += 1) {
    manifests = withManifest(manifests, kept(`m${i}`));
  }
  assert.equal(manifests.length, MANIFESTS_KEPT_MAX);
  const again = withManifest(manifests, kept('m5'));
  assert.equal(again.length, MANIFESTS_KEPT_MAX);
  assert.equal(again.at(-1)?.digest, digest('m5'));
});
