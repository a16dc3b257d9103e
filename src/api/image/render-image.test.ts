// Images in the JSON of each API version.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '#base/digest.ts';
import { EMPTY_CONFIG } from '#image/config.ts';
import type { ImageRecord } from '#image/record.ts';
import { renderImage } from './render-image.ts';

const IMAGE: ImageRecord = {
  id: `sha256:${'a'.repeat(64)}` as Digest,
  created: undefined,
  author: '',
  comment: '',
  dockerVersion: '',
  architecture: 'amd64',
  variant: '',
  os: 'linux',
  osVersion: '',
  config: { ...EMPTY_CONFIG, cmd: ['sh'], volumes: ['/data'] },
  diffIds: [],
  history: [],
  chain: undefined,
  chains: [],
  layers: [],
  manifests: [],
  parent: undefined,
  size: 5,
  lastTagged: undefined,
  repoTags: [],
  repoDigests: [],
};

const at = (version: string) => renderImage(IMAGE, { version, driver: 'overlay2' });

test('clients below 1.45 find the ContainerConfig that docker-compose 1.29 reads', () => {
  assert.deepEqual(Object.keys(at('1.44').ContainerConfig?.Volumes ?? {}), ['/data']);
  assert.equal(at('1.44').Container, '');
  assert.ok(!('ContainerConfig' in at('1.45')) && !('Container' in at('1.45')));
});

test('fields that went away are there for the versions that had them', () => {
  assert.equal(at('1.43').VirtualSize, 5);
  assert.ok(!('VirtualSize' in at('1.44')));
  assert.equal(at('1.49').Config?.Cmd?.[0], 'sh');
});
