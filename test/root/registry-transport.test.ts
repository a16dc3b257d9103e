// The registry thread against Debian's docker-registry, and against a proxy before it that does
// what bad networks do.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sha256 } from '#base/digest.ts';
import { parseReference } from '#base/reference.ts';
import { type OpenOptions, openRegistries } from '#image/registry/open.ts';
import type {
  Registries,
  RegistryAuth,
  RegistryConfig,
  TransferOptions,
} from '#image/registry/registry.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NO_REGISTRY as skip, TestRegistry } from '../fixture/registry.ts';

const folder = makeScratch('transport-');
after(() => removeScratch(folder));

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const CONFIG: RegistryConfig = {
  insecure: [],
  mirrors: {},
  blocked: [],
  certsDirectories: [],
  downloadsMax: 3,
  uploadsMax: 3,
  attemptsMax: 5,
  downloadRate: 0,
};

let files = 0;
const newFile = () => join(folder, `blob-${(files += 1)}`);
const options = (more: Partial<TransferOptions> = {}): TransferOptions => ({
  signal: AbortSignal.timeout(30_000),
  ...more,
});
const open = (
  config: Partial<RegistryConfig> = {},
  limits: OpenOptions['limits'] = {},
): Registries =>
  openRegistries({ ...CONFIG, ...config }, { limits: { retryMs: 20, ...limits }, environment: {} });
const pulling = (registries: Registries, name: string, auth?: RegistryAuth) =>
  registries.repository(parseReference(name), 'pull', auth);

const plain = skip === false ? await TestRegistry.start() : undefined;
after(() => plain?.[Symbol.asyncDispose]());
const bytes = randomBytes(5_000_000);
const blob = { digest: sha256(bytes), size: bytes.length };
const config = Buffer.from('{}');
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      digest: sha256(config),
      size: config.length,
    },
    layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', ...blob }],
  }),
);
if (plain !== undefined) {
  await plain.putBlob('team/app', bytes);
  await plain.putBlob('team/app', config);
  await plain.putManifest('team/app', 'v1', manifest, MANIFEST);
}

test('a manifest, its head, the tags and a blob are read', { skip }, async () => {
  await using registries = open();
  const repository = pulling(registries, `${plain!.host}/team/app:v1`);
  const got = await repository.manifest(options());
  assert.deepEqual(Buffer.from(got.bytes), manifest);
  assert.equal(got.digest, sha256(manifest));
  assert.equal(got.mediaType, MANIFEST);
  assert.deepEqual(await repository.head(options()), {
    digest: sha256(manifest),
    size: manifest.length,
    mediaType: MANIFEST,
  });
  assert.deepEqual(await repository.tags(options()), ['v1']);
  const again = await repository.manifestBy(got.digest, options());
  assert.equal(again.digest, got.digest);
  const file = newFile();
  const told: number[] = [];
  await repository.download(blob, file, options({ onProgress: (n) => told.push(n) }));
  assert.ok(readFileSync(file).equals(bytes));
  assert.equal(told[0], 0);
  assert.equal(told.at(-1), bytes.length);
});
