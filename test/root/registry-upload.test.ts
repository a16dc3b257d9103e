// Pushes to a real docker-registry, and through a proxy that breaks them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sha256 } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import type { Repository } from '#image/registry/registry.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { makeAuthority } from '../fixture/certificate.ts';
import { FaultProxy } from '../fixture/fault-proxy.ts';
import { NO_REGISTRY as skip, TestRegistry } from '../fixture/registry.ts';
import {
  DOCKER_MANIFEST,
  openClient,
  putImage,
  repositoryOf,
  smallImage,
  transfer,
} from '../fixture/registry-client.ts';
import { TokenServer } from '../fixture/registry-token.ts';

const folder = makeScratch('upload-');
const image = smallImage(3_000_000);
const stack = new AsyncDisposableStack();
let plain: TestRegistry;

before(async () => {
  if (skip === false) plain = stack.use(await TestRegistry.start());
});
after(async () => {
  await stack.disposeAsync();
  removeScratch(folder);
});

function fileOf(bytes: Uint8Array): string {
  const file = join(folder, randomBytes(6).toString('hex'));
  writeFileSync(file, bytes);
  return file;
}

async function push(repository: Repository, retries: string[] = []): Promise<void> {
  const onRetry = (_: number, why: string) => retries.push(why.replace(/.*": /, ''));
  for (const bytes of [image.config, image.layer]) {
    const blob = { digest: sha256(bytes), size: bytes.length };
    await repository.upload(blob, fileOf(bytes), transfer({ onRetry }));
  }
  const { manifest } = image;
  const digest = await repository.putManifest('v1', manifest, DOCKER_MANIFEST, transfer());
  assert.equal(digest, image.digest);
}

async function checkPulled(host: string, path: string): Promise<void> {
  await using registries = openClient();
  const repository = repositoryOf(registries, `${host}/${path}:v1`);
  const { digest, bytes } = await repository.manifest(transfer());
  assert.equal(digest, image.digest);
  assert.ok(Buffer.from(bytes).equals(image.manifest));
  const file = join(folder, randomBytes(6).toString('hex'));
  await repository.download(image.blob, file, transfer());
  assert.ok(readFileSync(file).equals(image.layer));
}

async function withProxy(run: (proxy: FaultProxy, repository: Repository) => Promise<void>) {
  await using proxy = await FaultProxy.start(plain.host);
  await using registries = openClient();
  const path = `team/${randomBytes(4).toString('hex')}`;
  await run(proxy, repositoryOf(registries, `${proxy.host}/${path}:v1`, 'push'));
  await checkPulled(plain.host, path);
}

test('blobs and a manifest are pushed, and come back with the same digests', { skip }, async () => {
  await withProxy(async (proxy, repository) => {
    assert.equal(await repository.hasBlob(image.blob.digest, transfer()), false);
    await push(repository);
    assert.equal(await repository.hasBlob(image.blob.digest, transfer()), true);
    const verbs = proxy.requests.map(({ method, status }) => `${method} ${status}`);
    assert.deepEqual(verbs, [
      'GET 200',
      'HEAD 404',
      ...['POST 202', 'PATCH 202', 'PUT 201'],
      ...['POST 202', 'PATCH 202', 'PUT 201'],
      'PUT 201',
      'HEAD 200',
    ]);
  });
});

test('an empty blob is uploaded, and progress is told', { skip }, async () => {
  await using registries = openClient();
  const repository = repositoryOf(registries, `${plain.host}/team/empty:v1`, 'push');
  const empty = { digest: sha256(''), size: 0 };
  await repository.upload(empty, fileOf(Buffer.alloc(0)), transfer());
  assert.ok(await repository.hasBlob(empty.digest, transfer()));
  const told: number[] = [];
  const onProgress = (current: number) => told.push(current);
  await repository.upload(image.blob, fileOf(image.layer), transfer({ onProgress }));
  assert.equal(told.at(-1), image.blob.size);
});

test('an upload that is cut, refused or forgotten is made whole', { skip }, async () => {
  await withProxy(async (proxy, repository) => {
    const retries: string[] = [];
    proxy.add(
      { kind: 'refuse', match: /POST/ },
      { kind: 'cutUpload', at: 1, match: /PATCH/ },
      { kind: 'answer', status: 502, match: /PATCH/ },
      { kind: 'answer', status: 404, match: /PUT .*uploads/ },
      { kind: 'refuse', match: /PUT .*manifests/ },
    );
    await push(repository, retries);
    assert.equal(retries.length, 4);
  });
  await withProxy(async (proxy, repository) => {
    proxy.add({ kind: 'cutUpload', at: 2_000_000, match: /PATCH/ });
    const blob = image.blob;
    await repository.upload(blob, fileOf(image.layer), transfer());
    await push(repository);
  });
});

test('an upload goes on where the registry says that it is', { skip }, async () => {
  await using server = await FaultProxy.start();
  await using registries = openClient();
  const repository = repositoryOf(registries, `${server.host}/a:v1`, 'push');
  const location = '/v2/a/blobs/uploads/1?_state=x%2By';
  const headers = { location };
  const of = (status: number, match: RegExp, more: Record<string, string> = {}) =>
    server.add({ kind: 'answer', status, match, headers: { ...headers, ...more } });
  of(200, /GET \/v2\/$/);
  of(202, /POST/);
  of(503, /PATCH/);
  of(204, /GET .*uploads/, { range: '0-999999' });
  of(202, /PATCH/);
  of(201, /PUT/);
  await repository.upload(image.blob, fileOf(image.layer), transfer());
  const patches = server.requests.filter(({ method }) => method === 'PATCH');
  assert.deepEqual(
    patches.map(({ headers: h, received }) => [h['content-range'], received]),
    [
      ['0-2999999', 3_000_000],
      ['1000000-2999999', 2_000_000],
    ],
  );
  const digest = encodeURIComponent(image.blob.digest);
  assert.equal(server.requests.at(-1)?.url, `${location}&digest=${digest}`);
});

test('a blob is taken from another repository where the registry can', { skip }, async () => {
  await putImage(plain, 'team/origin', 'v1', image);
  await withProxy(async (proxy, repository) => {
    assert.equal(await repository.mountBlob(image.blob.digest, 'team/origin', transfer()), true);
    proxy.reset();
    // It begins an upload in place of a mount, which is the one that is used.
    assert.equal(
      await repository.mountBlob(sha256(image.config), 'team/nosuch', transfer()),
      false,
    );
    const config = { digest: sha256(image.config), size: image.config.length };
    await repository.upload(config, fileOf(image.config), transfer());
    assert.equal(proxy.lines(/^POST/).length, 1);
    await repository.putManifest('v1', image.manifest, DOCKER_MANIFEST, transfer());
  });
});

test('a push as a user asks for both repositories, with a token in each part', {
  skip,
}, async () => {
  const authority = makeAuthority(folder);
  await using tokens = await TokenServer.start({ authority, users: { ann: 'secret' } });
  await using registry = await TestRegistry.start({ data: plain.data, token: tokens.registry });
  await using registries = openClient();
  const user = { username: 'ann', password: 'secret' };
  const repository = repositoryOf(registries, `${registry.host}/ann/app:v1`, 'push', user);
  assert.equal(await repository.mountBlob(image.blob.digest, 'team/origin', transfer()), true);
  await push(repository);
  assert.deepEqual(
    tokens.requests.map(({ scopes }) => scopes),
    [
      ['repository:ann/app:pull,push', 'repository:team/origin:pull'],
      ['repository:ann/app:pull,push'],
    ],
  );
  const nobody = repositoryOf(registries, `${registry.host}/ann/app:v1`, 'push');
  await assert.rejects(
    nobody.upload(image.blob, fileOf(image.layer), transfer()),
    (error) =>
      isEngineError(error, 'forbidden') &&
      error.message === 'denied: requested access to the resource is denied',
  );
});

test('what the registry refuses is told, and a file that is not the blob is not sent', {
  skip,
}, async () => {
  await using proxy = await FaultProxy.start(plain.host);
  await using registries = openClient();
  const repository = repositoryOf(registries, `${proxy.host}/team/bad:v1`, 'push');
  await assert.rejects(
    repository.putManifest('v1', image.manifest, DOCKER_MANIFEST, transfer()),
    (error) => isEngineError(error) && /blob unknown/.test(error.message),
  );
  const wrong = { digest: sha256('other'), size: 5 };
  await assert.rejects(
    repository.upload(wrong, fileOf(Buffer.from('bytes')), transfer()),
    (error) => isEngineError(error) && /digest invalid/.test(error.message),
  );
  proxy.reset();
  await assert.rejects(
    repository.upload(image.blob, fileOf(Buffer.from('short')), transfer()),
    (error) => isEngineError(error, 'corrupt') && /has 5 bytes/.test(error.message),
  );
  await assert.rejects(
    repository.upload(image.blob, join(folder, 'nosuch'), transfer()),
    (error) => isEngineError(error, 'kernel_refused') && /cannot read/.test(error.message),
  );
  assert.deepEqual(proxy.requests, []);
});

test('an upload that nobody wants any more is taken back', { skip }, async () => {
  await using proxy = await FaultProxy.start(plain.host);
  await using registries = openClient();
  const repository = repositoryOf(registries, `${proxy.host}/team/gone:v1`, 'push');
  proxy.add({ kind: 'stall', at: -1, match: /PATCH/ });
  const abort = new AbortController();
  const work = repository.upload(image.blob, fileOf(image.layer), {
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await assert.rejects(work, (error) => isEngineError(error, 'cancelled'));
  assert.deepEqual(proxy.lines(/^DELETE .* 204$/).length, 1);
});
