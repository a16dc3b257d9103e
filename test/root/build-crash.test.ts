// The daemon is killed with SIGKILL while it builds: the next one has nothing of it, and builds the
// same. Needs root and `make build`.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { cgroupsOf } from '../../tools/scratch.ts';
import { contextArchive, post } from '../fixture/build-client.ts';
import { call, eventuallyEmpty, until } from './engine-call.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const MOMENTS_MS = [5, 25, 60, 100, 150, 220, 320, 450];
const directory = makeEngineDirectory();
let latest: PrivateEngine | undefined;

async function startHere(): Promise<PrivateEngine> {
  await latest?.kill('SIGKILL');
  latest = await startEngine({ directory });
  return latest;
}
after(async () => {
  const engine = await startHere();
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

const SECRET = 'a-secret-of-a-build';
const DOCKERFILE = [
  'FROM busybox AS one',
  'COPY big /big',
  'RUN --mount=type=cache,target=/c --mount=type=secret,id=s cat /run/secrets/s >/dev/null; cp /big /one; sleep 0.1; echo x >/c/y',
  'FROM busybox AS two',
  'RUN --mount=target=/ctx cp /ctx/big /two; sleep 0.05',
  'FROM busybox',
  'COPY --from=one /one /',
  'COPY --from=two /two /',
  'RUN rm /one; sleep 0.1; echo done >/done',
].join('\n');

function build(engine: PrivateEngine, query = ''): Promise<{ readonly body: string }> {
  const own = JSON.stringify({ Secrets: { s: Buffer.from(SECRET).toString('base64') } });
  return post(
    engine.socket,
    `/build?networkmode=none&t=crash${query}`,
    contextArchive({ Dockerfile: DOCKERFILE, big: { text: Buffer.alloc(3_000_000, 'x') } }),
    { 'X-Coracle-Build': Buffer.from(own).toString('base64') },
  );
}

function names(place: string): readonly string[] {
  const path = join(directory, place);
  return existsSync(path) ? readdirSync(path) : [];
}

async function checkClean(engine: PrivateEngine): Promise<void> {
  const { body } = await call(engine.socket, 'GET', '/containers/json?all=1');
  assert.equal(body.trim(), '[]');
  const places = ['containers', 'tops', 'build'].map((name) => `data/${name}`);
  for (const place of [...places, 'run/build', 'run/c']) {
    // What is removed for good goes in the background.
    await eventuallyEmpty(join(directory, place));
  }
  assert.deepEqual(names('data/ingest'), ['partial']);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  assert.deepEqual(
    mounts.filter((line) => line.includes(`${directory}/`) && !line.includes('/netns')),
    [],
  );
  assert.deepEqual(
    cgroupsOf(directory).filter((path) => /[0-9a-f]{64}/.test(path)),
    [],
  );
}

test('a build that a kill -9 cut short leaves nothing, at any moment', { skip }, async () => {
  let engine = await startHere();
  await call(engine.socket, 'POST', '/images/prune');
  const before = count(); // nothing is being removed yet
  for (const moment of MOMENTS_MS) {
    const running = build(engine, '&nocache=1').catch(() => undefined);
    await sleep(moment);
    await engine.kill('SIGKILL');
    await running;
    engine = await startHere();
    await checkClean(engine);
  }
  const { body } = await build(engine);
  assert.match(body, /Successfully tagged crash:latest/);
  await checkClean(engine);
  await call(engine.socket, 'DELETE', '/images/crash?force=1');
  await call(engine.socket, 'POST', '/build/prune?all=1');
  await call(engine.socket, 'POST', '/images/prune');
  const isAsBefore = (): boolean => isDeepStrictEqual(count(), before);
  await until(() => `layers or blobs that nothing names: ${JSON.stringify(count())}`, isAsBefore);
  await engine.kill('SIGTERM');
});

/** Layers and blobs, also those that are being removed in the background. */
function count(): Readonly<Record<string, number>> {
  return {
    layers: names('data/layers').length,
    blobs: names('data/blobs/sha256').length,
    caches: names('data/build-cache').length,
    mounts: names('data/build-mounts').length,
  };
}

test('containers of people are theirs, whatever label they have', { skip }, async () => {
  const engine = await startHere();
  const labels = { 'coracle.build': '0b5cbe0e-5a8b-4a3f-9d5b-000000000000' };
  const body = {
    Image: 'busybox',
    Cmd: ['true'],
    Labels: labels,
    HostConfig: { NetworkMode: 'none' },
  };
  const made = await call(engine.socket, 'POST', '/containers/create?name=mine', body);
  assert.equal(made.status, 201, made.body);
  await engine.kill('SIGKILL');
  const next = await startHere();
  assert.equal((await call(next.socket, 'GET', '/containers/mine/json')).status, 200);
  await call(next.socket, 'DELETE', '/containers/mine?force=1');
  await next.kill('SIGTERM');
});
