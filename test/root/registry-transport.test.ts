// The registry thread against Debian's docker-registry, and against a proxy before it that does
// what bad networks do.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sha256 } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import type { OpenOptions } from '#image/registry/open.ts';
import type { RegistryConfig } from '#image/registry/registry.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { FaultProxy } from '../fixture/fault-proxy.ts';
import {
  DOCKER_MANIFEST,
  openClient,
  putImage,
  repositoryOf,
  smallImage,
  transfer,
} from '../fixture/registry-client.ts';
import { NO_REGISTRY as skip, TestRegistry } from '../fixture/registry.ts';

const folder = makeScratch('transport-');
after(() => removeScratch(folder));

const newFile = () => join(folder, `blob-${randomBytes(6).toString('hex')}`);
const options = transfer;

const plain = skip === false ? await TestRegistry.start() : undefined;
after(() => plain?.[Symbol.asyncDispose]());
const image = smallImage(5_000_000);
const { blob, manifest, layer: bytes } = image;
if (plain !== undefined) await putImage(plain, 'team/app', 'v1', image);

test('a manifest, its head, the tags and a blob are read', { skip }, async () => {
  await using registries = openClient();
  const repository = repositoryOf(registries, `${plain!.host}/team/app:v1`);
  const got = await repository.manifest(options());
  assert.deepEqual(Buffer.from(got.bytes), manifest);
  assert.equal(got.digest, sha256(manifest));
  assert.equal(got.mediaType, DOCKER_MANIFEST);
  assert.deepEqual(await repository.head(options()), {
    digest: sha256(manifest),
    size: manifest.length,
    mediaType: DOCKER_MANIFEST,
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

/** The proxy before the plain registry, a client of it, and the blob's path there. */
async function behindProxy(
  configuration: Partial<RegistryConfig> = {},
  limits: OpenOptions['limits'] = {},
) {
  const stack = new AsyncDisposableStack();
  const proxy = stack.use(await FaultProxy.start(plain!.host));
  const registries = stack.use(openClient(configuration, limits));
  const repository = repositoryOf(registries, `${proxy.host}/team/app:v1`);
  return {
    proxy,
    registries,
    repository,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const refused = (code: string, words: RegExp) => (error: unknown) =>
  isEngineError(error) && error.code === code && words.test(error.message)
    ? true
    : assert.fail(`${String(error)} is not ${code} ${String(words)}`);

test('a download that is cut at any byte goes on where it was, by Range', { skip }, async () => {
  await using bench = await behindProxy();
  const cuts = [0, 1, 65_536, 1_048_576, 1_048_577, bytes.length - 1];
  for (const at of cuts) {
    bench.proxy.reset();
    bench.proxy.add({ kind: 'cut', at, match: /GET .*blobs/ });
    const file = newFile();
    const retries: string[] = [];
    await bench.repository.download(
      blob,
      file,
      options({ onRetry: (_, why) => retries.push(why) }),
    );
    assert.ok(readFileSync(file).equals(bytes), `cut at ${at}`);
    assert.equal(retries.length, 1, `cut at ${at}`);
    const [first, second] = bench.proxy.requests.filter(({ url }) => url.includes('/blobs/'));
    assert.equal(first?.headers.range, undefined);
    const from = Number(/^bytes=(\d+)-$/.exec(second?.headers.range ?? 'bytes=0-')?.[1]);
    // What came before the cut was kept, whatever the last packet had.
    assert.ok(from <= at && at - from < 65_536, `cut at ${at}, resumed at ${from}`);
  }
});

test('what another run left is hashed and only the rest fetched', { skip }, async () => {
  await using bench = await behindProxy();
  const file = newFile();
  writeFileSync(file, bytes.subarray(0, 3_000_001));
  const told: number[] = [];
  await bench.repository.download(blob, file, options({ onProgress: (n) => told.push(n) }));
  assert.equal(told[0], 3_000_001);
  assert.ok(readFileSync(file).equals(bytes));
  const [only] = bench.proxy.lines(/blobs/);
  assert.match(only ?? '', / bytes=3000001- 206$/);
  // Whole already: nothing is asked for.
  bench.proxy.reset();
  await bench.repository.download(blob, file, options());
  assert.deepEqual(bench.proxy.lines(), []);
});

test('a server without Range sends the whole, of which the rest is taken', { skip }, async () => {
  await using bench = await behindProxy();
  const file = newFile();
  writeFileSync(file, bytes.subarray(0, 2_000_000));
  bench.proxy.add({ kind: 'noRange', match: /blobs/ });
  await bench.repository.download(blob, file, options());
  assert.ok(readFileSync(file).equals(bytes));
});

test('a file whose beginning is wrong is emptied and fetched anew', { skip }, async () => {
  await using bench = await behindProxy();
  const file = newFile();
  writeFileSync(file, randomBytes(1_000_000));
  await bench.repository.download(blob, file, options());
  assert.ok(readFileSync(file).equals(bytes));
  assert.deepEqual(
    bench.proxy.lines(/blobs/).map((line) => line.split(' ').slice(2).join(' ')),
    ['bytes=1000000- 206', '200'],
  );
});

test('wrong content is fetched once more, then refused, and nothing of it stays', {
  skip,
}, async () => {
  for (const fault of [
    { kind: 'corrupt', at: 4_000_000 },
    { kind: 'short', at: 100 },
    { kind: 'long', by: 1 },
  ] as const) {
    await using bench = await behindProxy();
    const file = newFile();
    bench.proxy.add({ ...fault, match: /blobs/, times: Number.POSITIVE_INFINITY });
    await assert.rejects(
      bench.repository.download(blob, file, options()),
      refused('corrupt', /verification failed for digest|sent a blob of/),
    );
    assert.equal(statSync(file).size, 0, fault.kind);
    assert.equal(bench.proxy.lines(/blobs/).length, 2, fault.kind);
    bench.proxy.reset();
    bench.proxy.add({ ...fault, match: /blobs/ });
    await bench.repository.download(blob, file, options());
    assert.ok(readFileSync(file).equals(bytes), fault.kind);
  }
});

test('busy and broken servers are asked again, as soon as they say', { skip }, async () => {
  await using bench = await behindProxy();
  const waits: string[] = [];
  const onRetry = (seconds: number, why: string) => waits.push(`${seconds} ${why}`);
  const toomany = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'slow down' }] });
  bench.proxy.add(
    { kind: 'answer', status: 503, match: /manifests/ },
    { kind: 'refuse', match: /manifests/ },
    {
      kind: 'answer',
      status: 429,
      headers: { 'retry-after': '1' },
      body: toomany,
      match: /manifests/,
    },
  );
  const startedAt = performance.now();
  await bench.repository.manifest(options({ onRetry }));
  assert.ok(performance.now() - startedAt > 1000);
  assert.deepEqual(
    waits.map((wait) => wait.replace(/Get ".*": /, '')),
    [
      '1 received unexpected HTTP status: 503 Service Unavailable',
      '1 unexpected EOF',
      '1 toomanyrequests: slow down',
    ],
  );
});

test('attempts have a limit, and the last error is told', { skip }, async () => {
  await using bench = await behindProxy({ attemptsMax: 3 });
  const always = Number.POSITIVE_INFINITY;
  bench.proxy.add({ kind: 'answer', status: 500, match: /manifests/, times: always });
  await assert.rejects(
    bench.repository.manifest(options()),
    refused('unavailable', /^received unexpected HTTP status: 500 Internal Server Error$/),
  );
  assert.equal(bench.proxy.lines(/manifests/).length, 3);
  bench.proxy.reset();
  bench.proxy.add({ kind: 'cut', at: 1000, match: /blobs/, times: always });
  const file = newFile();
  await assert.rejects(
    bench.repository.download(blob, file, options()),
    refused('unavailable', /unexpected EOF/),
  );
  assert.equal(bench.proxy.lines(/blobs/).length, 3);
  assert.ok(readFileSync(file).equals(bytes.subarray(0, statSync(file).size)));
  assert.ok(statSync(file).size > 0, 'what came stays');
});

test('silence ends a request: before its answer and in the middle of it', { skip }, async () => {
  // Longer than a registry is silent by itself on a busy machine.
  const limits = { headersMs: 1_000, silenceMs: 1_000 };
  await using bench = await behindProxy({ attemptsMax: 2 }, limits);
  bench.proxy.add(
    { kind: 'stall', at: -1, match: /blobs/ },
    { kind: 'stall', at: 2_000_000, match: /blobs/ },
  );
  const file = newFile();
  const retries: string[] = [];
  await bench.repository.download(
    blob,
    file,
    options({ onRetry: (_, why) => retries.push(why.replace(/.*": /, '')) }),
  );
  assert.deepEqual(retries, [
    'net/http: timeout awaiting response headers',
    'no data came for too long',
  ]);
  assert.ok(readFileSync(file).equals(bytes));
  assert.match(bench.proxy.lines(/blobs/).at(-1) ?? '', / bytes=\d+- 206$/);
});

test('a cancelled download ends at once and keeps what came', { skip }, async () => {
  await using bench = await behindProxy();
  bench.proxy.add({ kind: 'stall', at: 3_000_000, match: /blobs/ });
  const abort = new AbortController();
  const file = newFile();
  const work = bench.repository.download(blob, file, {
    signal: abort.signal,
    onProgress: (current) => {
      if (current >= 1_000_000) abort.abort();
    },
  });
  await assert.rejects(work, refused('cancelled', /context canceled/));
  assert.ok(statSync(file).size >= 1_000_000);
  await bench.repository.download(blob, file, options());
  assert.ok(readFileSync(file).equals(bytes));
});

/** 10 MB at 5 MB/s are two; a busy machine has its time, one stuck at a cap has not. */
const CAPPED_SECONDS_MAX = 20;

test('the rate cap is of all downloads together', { skip }, async () => {
  const perSecond = 5_000_000;
  await using bench = await behindProxy({ downloadRate: perSecond });
  await bench.repository.manifest(options());
  const startedAt = performance.now();
  await Promise.all(
    [newFile(), newFile()].map((file) => bench.repository.download(blob, file, options())),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  assert.ok(seconds > 1.5 && seconds < CAPPED_SECONDS_MAX, `10 MB took ${seconds} s`);
});

test('no more downloads run at once than the configuration allows', { skip }, async () => {
  await using bench = await behindProxy({ downloadsMax: 2 });
  bench.proxy.add({ kind: 'slow', bytesPerSecond: 20_000_000, match: /blobs/, times: 5 });
  let most = 0;
  const running = new Set<string>();
  await Promise.all(
    [1, 2, 3, 4, 5].map(async () => {
      const file = newFile();
      await bench.repository.download(
        blob,
        file,
        options({
          onProgress: () => {
            running.add(file);
            most = Math.max(most, running.size);
          },
        }),
      );
      running.delete(file);
    }),
  );
  assert.equal(most, 2);
});

test('a full disk is told as such and not tried again', { skip }, async () => {
  await using bench = await behindProxy();
  await assert.rejects(
    bench.repository.download(blob, '/dev/full', options()),
    refused('kernel_refused', /no space left on device/),
  );
  assert.equal(bench.proxy.lines(/blobs/).length, 1);
});

test('a registry that has answered and is gone is waited for, an unknown one is not', {
  skip,
}, async () => {
  const registry = await TestRegistry.start({ data: plain!.data });
  await using registries = openClient({ attemptsMax: 30 }, { retryMs: 50 });
  const repository = repositoryOf(registries, `${registry.host}/team/app:v1`);
  await repository.manifest(options());
  await registry.stop();
  const gone = Promise.withResolvers<string>();
  const file = newFile();
  const onRetry = (_: number, why: string) => gone.resolve(why);
  const work = repository.download(blob, file, options({ onRetry }));
  assert.match(await gone.promise, /connect: connection refused$|unexpected EOF$/);
  await using again = await registry.restart();
  assert.equal(again.host, registry.host);
  await work;
  assert.ok(readFileSync(file).equals(bytes));
  await registry[Symbol.asyncDispose]();
  const unknown = repositoryOf(registries, '127.0.0.1:1/team/app:v1');
  await assert.rejects(
    unknown.manifest(options({ onRetry: () => assert.fail('waited') })),
    refused('unavailable', /connection refused$/),
  );
});
