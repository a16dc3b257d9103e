import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CgroupHost } from '#kernel/cgroup/host.ts';
import type { DeviceRates } from '#kernel/cgroup/resources.ts';
import { bindContainer, bindSlice, checkBelow, unionOf } from './inherit.ts';
import { isBelow, lineageOf, parseSlicePath } from './path.ts';
import { decodeRecord, fileOf, pathOfFile } from './record.ts';

const at = (...controllers: string[]) => ({
  controllers,
  mountpoint: `/sys/fs/cgroup/${controllers[0]}`,
  root: '/',
  own: '/',
});
const V1: CgroupHost = { version: 1, hierarchies: [at('cpu'), at('cpuset'), at('blkio')] };
const V2: CgroupHost = { version: 2, hierarchies: [], unified: at('cpu', 'cpuset', 'io') };

const write = (writeBps: number): DeviceRates => ({ major: 254, minor: 0, writeBps });
const LEVELS = [
  { path: 'cg1', own: { nanoCpus: 5e8, cpusetCpus: '0-1', blkioRates: [write(100)] } },
  { path: 'cg1/cg2', own: { blkioRates: [{ ...write(300), readBps: 7 }] } },
];

test('a container of version 1 gets the least rate of each disk from all levels', () => {
  const bound = bindContainer(V1, LEVELS, { blkioRates: [write(200)] });
  assert.deepEqual(bound.blkioRates, [{ major: 254, minor: 0, writeBps: 100, readBps: 7 }]);
});

test('rates are not copied where the kernel hands them down', () => {
  const own = { blkioRates: [write(200)] };
  assert.deepEqual(bindContainer(V2, LEVELS, own), own);
});

test('priorities are of any name that an interface can have, and the nearest one wins', () => {
  const names = (priority: number) =>
    Object.fromEntries(['eth0', '__proto__', 'constructor'].map((name) => [name, priority]));
  const host: CgroupHost = { version: 1, hierarchies: [at('net_prio')] };
  const above = [{ path: 'cg1', own: { netPrio: names(1) } }];
  assert.deepEqual(bindContainer(host, above, {}).netPrio, names(1));
  assert.deepEqual(bindContainer(host, above, { netPrio: { eth0: 2 } }).netPrio, {
    ...names(1),
    eth0: 2,
  });
});

test('a cpuset of version 1 is that of the nearest level which has one', () => {
  assert.equal(bindSlice(V1, LEVELS, {}).cpusetCpus, '0-1');
  assert.equal(bindContainer(V1, LEVELS, { cpusetCpus: '1' }).cpusetCpus, '1');
});

test('more CPU than a level above has is refused by version 1 and told by version 2', () => {
  const refused = /^slice x wants 0\.8 CPUs, but slice cg1 has 0\.5: cgroup v1/;
  assert.throws(() => checkBelow(V1, 'slice x', LEVELS, { nanoCpus: 8e8 }), {
    code: 'conflict',
    message: refused,
  });
  assert.match(
    checkBelow(V2, 'slice x', LEVELS, { nanoCpus: 8e8 })[0] ?? '',
    /which is what binds/,
  );
  assert.deepEqual(checkBelow(V1, 'slice x', LEVELS, { nanoCpus: 5e8 }), []);
});

test('CPUs that a level above does not have are refused by version 1', () => {
  assert.throws(() => checkBelow(V1, 'the container', LEVELS, { cpusetCpus: '2' }), /has 0-1/);
});

test('real-time above what the slice has is refused, and so is any where it has none', () => {
  const [some, none] = [{ cpuRtRuntime: 50_000 }, {}].map((own) => [{ path: 'cg1', own }]);
  assert.ok(some && none);
  const wish = { cpuRtRuntime: 60_000 };
  assert.throws(() => checkBelow(V1, 'x', some, wish), /60000 µs .* slice cg1 has 50000 µs/);
  assert.throws(() => checkBelow(V1, 'x', none, wish), /slice cg1 has none/);
  assert.deepEqual(checkBelow(V1, 'x', some, { ...wish, cpuRtPeriod: 2_000_000 }), []);
  assert.deepEqual(checkBelow(V1, 'x', [], wish), []);
});

test('while a cpuset changes it holds what was and what will be', () => {
  assert.equal(unionOf('0', '2-3'), '0,2,3');
  assert.equal(unionOf('0', undefined), undefined);
});

test('names of slices are levels of plain words, and none that the kernel uses', () => {
  assert.equal(parseSlicePath('/cg1/cg2/'), 'cg1/cg2');
  assert.deepEqual(lineageOf('a/b/c'), ['a', 'a/b', 'a/b/c']);
  assert.ok(isBelow('a/b', 'a') && !isBelow('ab', 'a'));
  for (const bad of ['', '/', '..', 'a/../b', 'a//b', 'cpu.max', 'tasks', '-a', 'f'.repeat(64)]) {
    assert.throws(() => parseSlicePath(bad), { code: 'invalid_argument' }, bad);
  }
});

test('a record is read as it was written, and one of another slice is corrupt', () => {
  assert.equal(pathOfFile(fileOf('cg1/cg2')), 'cg1/cg2');
  const record = { version: 1, path: 'a', createdAt: 't', wish: { m: 1 }, pending: { m: 2 } };
  const text = JSON.stringify(record);
  assert.deepEqual(
    decodeRecord(text, 'a', (raw) => raw),
    record,
  );
  assert.throws(() => decodeRecord(text, 'b', (raw) => raw), { code: 'corrupt' });
});
