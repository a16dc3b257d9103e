// What a start costs beside a thousand cgroups that are there already. Needs root and `make build`.
// Alone: what a start costs is measured.
import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import { test } from 'node:test';
import { lowerQuartile } from '../../bench/measure.ts';
import { type PrivateEngine, startEngine } from '../../tools/private-engine.ts';
import { cgroupsOf } from '../../tools/scratch.ts';
import { call } from './engine-call.ts';

const CGROUPS = 1000;
const ROUNDS_MIN = 3;
const ROUNDS_MAX = 10;
const STARTS = 15;
/** design.md, "Budgets". */
const RATIO_MAX = 1.3;

/** Milliseconds of a whole container: create, start, exit, remove. */
async function cost(engine: PrivateEngine): Promise<number> {
  const startedAt = performance.now();
  const made = await call(engine.socket, 'POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { NetworkMode: 'none', Memory: 64 << 20, NanoCpus: 5e8, PidsLimit: 64 },
  });
  assert.equal(made.status, 201, made.body);
  const { Id } = JSON.parse(made.body) as { readonly Id: string };
  const started = await call(engine.socket, 'POST', `/containers/${Id}/start`);
  assert.equal(started.status, 204, started.body);
  await call(engine.socket, 'POST', `/containers/${Id}/wait`);
  const removed = await call(engine.socket, 'DELETE', `/containers/${Id}`);
  assert.equal(removed.status, 204, removed.body);
  return performance.now() - startedAt;
}

test('a start beside 1000 cgroups costs at most 1.3 times one beside none, and none is left', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, async (t) => {
  await using engine = await startEngine({ flags: ['--bridge=none'] });
  await cost(engine);
  const parents = cgroupsOf(engine.directory);
  assert.ok(parents.length > 0);
  const idle = parents.flatMap((parent) =>
    Array.from({ length: CGROUPS }, (_, index) => `${parent}/idle-${index}`),
  );
  const alone: number[] = [];
  const beside: number[] = [];
  let ratio = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS_MIN || (ratio > RATIO_MAX && round < ROUNDS_MAX); round += 1) {
    for (let each = 0; each < STARTS; each += 1) alone.push(await cost(engine));
    try {
      for (const path of idle) mkdirSync(path);
      for (let each = 0; each < STARTS; each += 1) beside.push(await cost(engine));
    } finally {
      for (const path of cgroupsOf(engine.directory).toReversed()) {
        if (path.includes('/idle-')) rmdirSync(path);
      }
    }
    ratio = lowerQuartile(beside) / lowerQuartile(alone);
  }
  t.diagnostic(
    `alone ${lowerQuartile(alone).toFixed(2)} ms, beside ${lowerQuartile(beside).toFixed(2)} ms, ratio ${ratio.toFixed(2)}`,
  );
  assert.ok(ratio <= RATIO_MAX, `${ratio}`);
  assert.deepEqual(cgroupsOf(engine.directory), parents);
});
