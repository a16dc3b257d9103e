// What slices do to the containers inside, what these use, and what the tree shows of it, by the
// API: on whichever version of cgroups the kernel has (slice.test.ts has the words of the command).
// Alone: what a slice leaves of the processor and of a disk is measured.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CgroupNode, CgroupSubsystems, CgroupTree } from '#wire/cgroup.ts';
import type { SliceInspect } from '#wire/slice.ts';
import type { ContainerStats } from '#wire/stats.ts';
import { type Json, type LimitedContainer, LimitHost, until, versionOf } from './limit-host.ts';
import { MIB, WAIT, withDisk } from './limit-rows.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const SPIN = 'while :; do :; done';
const MEASURE_MS = 800;
const TRIES_MAX = 4;

let host: LimitHost;
let folder: string;
let disk: string;

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), 'coracle-slice-limits-'));
  const file = join(folder, 'disk');
  writeFileSync(file, '');
  truncateSync(file, 64 * MIB);
  host = await LimitHost.start();
  disk = execFileSync('losetup', ['-f', '--show', file], { encoding: 'utf8' }).trim();
});

after(async () => {
  if (skip) return;
  await host?.[Symbol.asyncDispose]();
  if (disk !== undefined) execFileSync('losetup', ['-d', disk]);
  rmSync(folder, { recursive: true, force: true });
});

const make = (path: string, limits: Json) =>
  host.call('POST', '/coracle/slices', { Path: path, ...limits });
const update = (path: string, limits: Json) => host.call('PUT', `/coracle/slices/${path}`, limits);
const remove = (path: string) => host.call('DELETE', `/coracle/slices/${path}`);
const inspect = async (path: string): Promise<SliceInspect> =>
  (await host.call('GET', `/coracle/slices/${path}`)) as unknown as SliceInspect;
const inside = (path: string, script: string, more: Json = {}): Promise<LimitedContainer> =>
  host.run(script, { Slice: path, ...withDisk({ path: disk, numbers: '' }), ...more });
const writes = (rate: number): Json => ({ BlkioDeviceWriteBps: [{ Path: disk, Rate: rate }] });

/** Measured again where the machine had no time, or a write waited for something else. */
async function within(
  what: string,
  [low, high]: readonly [number, number],
  measure: () => Promise<number>,
): Promise<void> {
  let last = Number.NaN;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    last = await measure();
    if (last >= low && last <= high) return;
  }
  assert.fail(`${what}: ${last} is not from ${low} to ${high}`);
}

async function cpusOf(path: string): Promise<number> {
  const used = async () => (await inspect(path)).Usage.CpuNanoseconds ?? 0;
  const [from, start] = [await used(), performance.now()];
  await sleep(MEASURE_MS);
  return ((await used()) - from) / 1e6 / (performance.now() - start);
}

/** Megabytes a second. */
async function writeRate(container: LimitedContainer, megabytes: number): Promise<number> {
  const count = megabytes * 16;
  const argv = `if=/dev/zero of=/dev/disk bs=64k count=${count} oflag=direct`;
  const { code, out, ms } = await container.shell(`dd ${argv}`);
  assert.equal(code, 0, out);
  return (megabytes / ms) * 1000;
}

test('a container has the CPU cap of the slice around its slice, and the I/O cap of its own', {
  skip,
}, async () => {
  await make('cg1', { NanoCpus: 5e8 });
  await make('cg1/cg2', writes(2 * MIB));
  const [both, sibling] = [await inside('cg1/cg2', SPIN), await inside('cg1', SPIN)];
  try {
    // A busy machine gives less than they may have, and together they have no more than that.
    await within('CPUs of cg1', [0.05, 0.65], () => cpusOf('cg1'));
    await sibling.remove();
    await within('CPUs of cg1/cg2', [0.05, 0.65], () => cpusOf('cg1/cg2'));
    await within('capped', [0, 2.6], () => writeRate(both, 2));
    const { EffectiveLimits: limits } = (await both.inspect()) as unknown as SliceInspect;
    assert.deepEqual([limits.NanoCpus?.Value, limits.NanoCpus?.Slice], [5e8, 'cg1']);
    const [write] = limits.BlkioDeviceWriteBps ?? [];
    assert.deepEqual([write?.Value, write?.Slice], [2 * MIB, 'cg1/cg2']);
    // At once, for who is inside; and the least of all levels is what binds.
    await update('cg1', writes(MIB));
    await within('capped by the slice above', [0, 1.4], () => writeRate(both, 1));
    await update('cg1', { Unset: ['BlkioDeviceWriteBps'], NanoCpus: 2e8 });
    await within('its own cap again', [1.05, 2.6], () => writeRate(both, 2));
    await within('CPUs after the update', [0.02, 0.35], () => cpusOf('cg1'));
  } finally {
    await both.remove();
  }
  const free = await inside('cg1', WAIT);
  await within('a sibling is not capped', [4, Number.POSITIVE_INFINITY], () => writeRate(free, 8));
  await free.remove();
  await remove('cg1/cg2');
  await remove('cg1');
});

test('memory and processes of a slice are for all that is inside it together', {
  skip,
}, async () => {
  await make('room', { Memory: 32 * MIB, MemorySwap: 32 * MIB, PidsLimit: 6 });
  await make('room/corner', {});
  const [one, other] = [await inside('room/corner', WAIT), await inside('room', WAIT)];
  try {
    const eat = (container: LimitedContainer, mib: number) =>
      container.shell(`dd if=/dev/zero of=/dev/null bs=${mib}M count=1`);
    assert.equal((await eat(one, 8)).code, 0);
    assert.equal((await eat(one, 64)).code, 137);
    const { EffectiveLimits: limits } = (await one.inspect()) as unknown as SliceInspect;
    assert.deepEqual([limits.Memory?.Value, limits.Memory?.Slice], [32 * MIB, 'room']);
    assert.deepEqual([limits.PidsLimit?.Value, limits.PidsLimit?.Slice], [6, 'room']);
    const { out } = await other.shell('for n in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo done');
    assert.match(out, /can't fork|Resource temporarily unavailable/);
    await update('room', { Memory: 128 * MIB, MemorySwap: 128 * MIB, PidsLimit: -1 });
    assert.equal((await eat(one, 64)).code, 0);
    const used = (await inspect('room')).Usage;
    assert.ok((used.MemoryBytes ?? 0) > 0 && (used.Pids ?? 0) >= 2, JSON.stringify(used));
  } finally {
    await one.remove();
    await other.remove();
  }
  await remove('room/corner');
  await remove('room');
});

test('a container that wants more than its slice has is refused on v1, and warned of on v2', {
  skip,
}, async () => {
  await make('small', { NanoCpus: 3e8 });
  const create = () =>
    host.call('POST', '/containers/create', {
      Image: 'busybox',
      HostConfig: { NetworkMode: 'none', Slice: 'small', NanoCpus: 6e8 },
    });
  const text = /the container wants 0\.6 CPUs, but slice small has 0\.3/;
  if (versionOf('cpu') === 1) await assert.rejects(create, text);
  else {
    const { Id, Warnings } = (await create()) as { Id: string; Warnings: string[] };
    assert.match(Warnings.join(), text);
    await host.call('DELETE', `/containers/${Id}`);
  }
  await remove('small');
});

test('stats count what was used, in the words of the version', { skip }, async () => {
  const limits = { Memory: 64 * MIB, NanoCpus: 4e8, PidsLimit: 50 };
  const container = await host.run(SPIN, { ...limits, ...withDisk({ path: disk, numbers: '' }) });
  const stats = async (query: string): Promise<ContainerStats> =>
    (await host.call(
      'GET',
      `/containers/${container.id}/stats?${query}`,
    )) as unknown as ContainerStats;
  try {
    await writeRate(container, 4);
    const { cpu_stats: cpu, precpu_stats: old, ...rest } = await stats('stream=false');
    const spent = cpu.cpu_usage.total_usage - old.cpu_usage.total_usage;
    const passed = Date.parse(rest.read) - Date.parse(rest.preread);
    const share = spent / 1e6 / passed;
    assert.ok(share > 0.02 && share < 0.6, `of .4 CPUs it had ${share}`);
    await until('throttled', async () => {
      const now = await stats('stream=false&one-shot=true');
      return now.cpu_stats.throttling_data.throttled_periods > 0;
    });
    assert.equal(rest.memory_stats.limit, 64 * MIB);
    assert.ok((rest.memory_stats.usage ?? 0) > 0);
    assert.deepEqual([rest.pids_stats.current, rest.pids_stats.limit], [1, 50]);
    const v1 = versionOf('memory') === 1;
    assert.equal('total_inactive_file' in (rest.memory_stats.stats ?? {}), v1);
    assert.equal(cpu.cpu_usage.percpu_usage !== undefined, v1);
    const of = (rest.blkio_stats.io_service_bytes_recursive ?? []).filter(
      ({ op }) => op.toLowerCase() === 'write',
    );
    assert.ok(of.reduce((sum, { value }) => sum + value, 0) >= 4 * MIB, JSON.stringify(of));
  } finally {
    await container.remove();
  }
});

function find(node: CgroupNode | null, id: string): CgroupNode | undefined {
  if (node?.Container?.Id === id) return node;
  for (const child of node?.Children ?? []) {
    const found = find(child, id);
    if (found !== undefined) return found;
  }
  return undefined;
}

test('the tree has a container in its slice with use against limits; each controller is told of', {
  skip,
}, async () => {
  await make('shown', { PidsLimit: 40 });
  const container = await inside('shown', WAIT, { Memory: 48 * MIB, PidsLimit: 20 });
  try {
    const { Hierarchies } = (await host.call(
      'GET',
      '/coracle/cgroups/tree',
    )) as unknown as CgroupTree;
    const nodes = Hierarchies.flatMap(({ Cgroup }) => find(Cgroup, container.id) ?? []);
    const gauge = (name: string) =>
      nodes.flatMap(({ Usage }) => Usage).find(({ Name }) => Name === name);
    assert.equal(gauge('memory')?.Limit, 48 * MIB);
    assert.equal(gauge('processes')?.Limit, 20);
    assert.ok(Number(gauge('processes')?.Used) >= 1);
    assert.ok(nodes.every(({ Path }) => Path.includes('/shown/')));
    assert.ok(nodes.every(({ Processes }) => Processes.some(({ Pid }) => Pid === container.pid)));
    const { Subsystems } = (await host.call(
      'GET',
      '/coracle/cgroups/subsystems',
    )) as unknown as CgroupSubsystems;
    for (const name of ['cpu', 'memory', 'pids', 'freezer', 'devices']) {
      const found = Subsystems.find(({ Name }) => Name === name);
      const expected =
        name === 'freezer' || name === 'devices' ? versionOf('pids') : versionOf(name);
      assert.equal(found?.Version, expected, name);
      assert.ok(
        found?.Options.some(({ Missing }) => Missing === null),
        name,
      );
    }
  } finally {
    await container.remove();
  }
  await remove('shown');
});
