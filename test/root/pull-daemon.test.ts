// A large image through the daemon as it is built: it answers meanwhile, and its memory does not
// grow with the image. The figures beside dockerd are in bench/image.ts.
// Alone: how soon pings are answered is measured.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api } from '../../tools/api.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { cannotRun, startDaemon } from '../daemon.ts';
import { dockerArchive, file, tar } from '../fixture/archive.ts';
import { NO_REGISTRY, TestRegistry } from '../fixture/registry.ts';

const skip = cannotRun() || NO_REGISTRY;
const LAYERS = 4;
const LAYER_BYTES = 24 * 1024 * 1024;
const MEMORY_KIB_MAX = 64 * 1024;
/** Of nineteen pings in twenty: on two busy cores one may wait for its turn. */
const PING_MS_MAX = 100;
const PULL_MS_MAX = 60_000;

function kibOf(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
}

test('while a large image is pulled pings are answered, and memory stays flat', {
  skip,
}, async () => {
  const folder = makeScratch('pull-daemon-');
  await using stack = new AsyncDisposableStack();
  stack.defer(() => void removeScratch(folder));
  const daemon = stack.use(await startDaemon());
  const { namespace, pid, socket } = daemon.engine;
  const registry = stack.use(await TestRegistry.start({ namespace }));
  const layers: Buffer[] = [];
  for (let i = 0; i < LAYERS; i += 1) {
    layers.push(await tar([file(`large${i}`, randomBytes(LAYER_BYTES))]));
  }
  const archive = join(folder, 'large.tar');
  writeFileSync(archive, await dockerArchive([{ layers, tags: ['large:1'] }]));
  await registry.fill(`docker-archive:${archive}`, 'large:1');

  using api = new Api(socket);
  await api.must('GET', '/_ping');
  const idle = kibOf(pid, 'VmRSS');
  writeFileSync(`/proc/${pid}/clear_refs`, '5'); // VmHWM begins again, proc_pid_clear_refs(5)
  const pulled = daemon.run(['docker', 'pull', '-q', `${registry.host}/large:1`], {
    timeoutMs: PULL_MS_MAX,
  });
  let running = true;
  void pulled.finally(() => {
    running = false;
  });
  const pings: number[] = [];
  while (running) {
    const startedAt = performance.now();
    await api.must('GET', '/_ping');
    pings.push(performance.now() - startedAt);
    await sleep(5);
  }
  assert.equal((await pulled).code, 0, (await pulled).stderr);
  const slow = pings.toSorted((a, b) => a - b)[Math.floor(pings.length * 0.95)] ?? 0;
  assert.ok(slow < PING_MS_MAX, `${slow.toFixed(0)} ms of ${pings.length} pings`);
  const grown = kibOf(pid, 'VmHWM') - idle;
  assert.ok(grown < MEMORY_KIB_MAX, `${(grown / 1024).toFixed(0)} MiB more than idle`);
});
