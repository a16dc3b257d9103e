import assert from 'node:assert/strict';
import { mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CgroupHost } from '#kernel/cgroup/host.ts';
import { namingOf } from '#kernel/cgroup/naming.ts';
import type { DeviceRates, Resources } from '#kernel/cgroup/resources.ts';
import type { Member, SliceCgroups } from './port.ts';
import type { SliceRecord } from './record.ts';
import { Slices } from './slices.ts';
import { SliceStore } from './store.ts';

const BLKIO = { controllers: ['blkio'], mountpoint: '/nowhere', root: '/', own: '/' };
const V1: CgroupHost = { version: 1, hierarchies: [BLKIO] };
const write = (writeBps: number): DeviceRates => ({ major: 254, minor: 0, writeBps });

/** Calls back while a record is being written. */
class Store extends SliceStore<Resources> {
  during: (record: SliceRecord<Resources>) => void = () => {};

  override put(record: SliceRecord<Resources>): Promise<void> {
    this.during(record);
    return super.put(record);
  }
}

/** Slices whose cgroups and containers are told by the test. */
async function fixture(directory: string) {
  const store = new Store(join(directory, 'slices'), (raw) => raw);
  await store.load();
  const done = async (): Promise<void> => {};
  const cgroups: SliceCgroups = { make: done, change: done, remove: done };
  const members: Member[] = [];
  const changed = new Map<string, Resources>();
  const reported: string[] = [];
  const slices = new Slices<Resources, Resources>({
    store,
    host: V1,
    root: '/coracle',
    naming: namingOf('cgroupfs'),
    cgroups,
    wishes: {
      none: {},
      change: (_what, before, change) => ({ ...before, ...change }),
      limits: (resources) => ({ resources, warnings: [] }),
    },
    members: {
      list: () => members,
      hold: async (paths, but) => ({
        members: members
          .filter(({ id, slice }) => paths.has(slice) && but?.has(id) !== true)
          .map((member) => ({
            ...member,
            own: {},
            change: async (resources) => void changed.set(member.id, resources),
          })),
        [Symbol.dispose]: () => {},
      }),
    },
    readTexts: (files) => files.map(() => undefined),
    report: (what) => reported.push(what),
  });
  return { slices, store, cgroups, members, changed, reported };
}

const temporary = () => mkdtempDisposableSync(join(tmpdir(), 'slices-'));

test('a slice that a container asks for while it is being removed stays', async () => {
  using directory = temporary();
  const { slices, store } = await fixture(directory.path);
  await slices.create('a', {});
  const place = slices.place({ slice: 'a', cgroupParent: '' });
  store.during = ({ removing }) => {
    if (removing !== true) return;
    slices.hold(place);
    slices.check('the container', place, {});
  };
  await assert.rejects(slices.remove('a'), /in use: remove a container that is being created/);
  assert.deepEqual(slices.check('the container', place, {}), []);
});

test('a slice that could not be removed is one again, and says why', async () => {
  using directory = temporary();
  const { slices, cgroups, reported } = await fixture(directory.path);
  await slices.create('a', {});
  cgroups.remove = () => Promise.reject(new Error('there are processes in it'));
  cgroups.make = () => Promise.reject(new Error('no space'));
  await assert.rejects(slices.remove('a'), /there are processes in it/);
  assert.deepEqual(reported, ['make the cgroups of slice a again']);
  const place = slices.place({ slice: 'a', cgroupParent: '' });
  assert.deepEqual(slices.check('the container', place, {}), []);
});

test('a container that came while its slice was updated gets the new limits too', async () => {
  using directory = temporary();
  const { slices, cgroups, members, changed } = await fixture(directory.path);
  await slices.create('a', { blkioRates: [write(100)] });
  const come = (id: string): unknown => members.push({ id, name: id, slice: 'a', running: true });
  come('before');
  cgroups.change = async () => void come('meanwhile');
  const after = { blkioRates: [write(50)] };
  await slices.update('a', after);
  assert.deepEqual(Object.fromEntries(changed), { before: after, meanwhile: after });
});

test('slices are listed each before those inside it, with what is in each', async () => {
  using directory = temporary();
  const { slices, members } = await fixture(directory.path);
  for (const path of ['a-c', 'a/b/d', 'a.e', 'a/f']) await slices.create(path, {});
  members.push({ id: 'one', name: 'one', slice: 'a/b', running: false });
  const list = slices
    .list()
    .map(({ path, children, containers }) => [
      path,
      children.join(' '),
      containers.map(({ name }) => name).join(' '),
    ]);
  assert.deepEqual(list, [
    ['a', 'a/b a/f', ''],
    ['a/b', 'a/b/d', 'one'],
    ['a/b/d', '', ''],
    ['a/f', '', ''],
    ['a-c', '', ''],
    ['a.e', '', ''],
  ]);
});

test('an update that a crash cut short is completed, or taken back whole where it fails again', async () => {
  using directory = temporary();
  const { slices, store, cgroups, members, changed, reported } = await fixture(directory.path);
  const [old, wished] = [{ blkioRates: [write(100)] }, { blkioRates: [write(50)] }];
  await slices.create('a', old);
  members.push({ id: 'in', name: 'in', slice: 'a', running: true });
  const crash = () => store.put({ ...store.get('a'), pending: wished });
  await crash();
  const steps: unknown[] = [];
  cgroups.change = async (before, after) => void steps.push([before.resources, after.resources]);
  let refuse = true;
  const { set } = changed;
  changed.set = (id, limits) => {
    if (refuse && limits.blkioRates?.[0]?.writeBps === 50) throw new Error('EINVAL');
    return set.call(changed, id, limits);
  };
  // What is inside comes first, so nothing of the slice was written.
  await slices.complete();
  assert.deepEqual(reported, ['update slice a']);
  assert.deepEqual(steps, []);
  assert.deepEqual([store.get('a').wish, store.get('a').pending], [old, undefined]);
  refuse = false;
  await crash();
  cgroups.change = () => Promise.reject(new Error('EBUSY'));
  await slices.complete();
  assert.deepEqual(changed.get('in'), old);
  assert.deepEqual([store.get('a').wish, store.get('a').pending], [old, undefined]);
  cgroups.change = async () => {};
  await crash();
  await slices.complete();
  assert.deepEqual(changed.get('in'), wished);
  assert.deepEqual([store.get('a').wish, store.get('a').pending], [wished, undefined]);
  assert.deepEqual(reported, ['update slice a', 'update slice a']);
});

test('a removal that fails when it is completed stays one, and goes with the next daemon', async () => {
  using directory = temporary();
  const { slices, store, cgroups, reported } = await fixture(directory.path);
  await slices.create('a/b', {});
  await store.put({ ...store.get('a/b'), removing: true });
  const removed: string[] = [];
  cgroups.remove = async ({ name }) => {
    removed.push(name);
    if (removed.length === 1) throw new Error('there are processes in it');
  };
  const made: string[] = [];
  cgroups.make = async ({ name }) => void made.push(name);
  await slices.open();
  await slices.complete();
  assert.deepEqual([reported, made], [['remove slice a/b'], ['a']]);
  await assert.rejects(slices.update('a/b', {}), /slice a\/b is being removed/);
  await slices.complete();
  assert.deepEqual(removed, ['b', 'b']);
  assert.deepEqual(
    store.list().map(({ path }) => path),
    ['a'],
  );
});
