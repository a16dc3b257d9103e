import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { OpError } from '#kernel/native/encode.ts';
import type { Op } from '#kernel/native/op.ts';
import { VolumeMounts } from './mounts.ts';
import { VolumeStore } from './volume.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-mounts-'));
after(() => rm(root, { recursive: true, force: true }));

const TMPFS = { type: 'tmpfs', device: 't', o: 'size=1m,ro' };

/** A store whose kernel does nothing but remember, or refuse. */
async function bench(name: string, refuse = false) {
  const ops: Op[] = [];
  const perform = async (list: readonly Op[]): Promise<never[]> => {
    ops.push(...list);
    if (!refuse) return [];
    const output = Buffer.from("e tmpfs: Unknown parameter 'x'\n");
    const facts = { place: 'agent', index: 0, op: 'volume_mount', nanoseconds: 0 } as const;
    throw new OpError({ ...facts, errno: 22, output }, []);
  };
  const remove = (path: string) => rm(path, { recursive: true, force: true });
  const trash = { remove, sweep: remove };
  const needs = { perform, carry: perform, trash, events: { publish: () => {} } };
  const store = new VolumeStore(join(root, name), needs);
  await store.load();
  return { store, mounts: new VolumeMounts(store), told: () => ops.splice(0).map(({ op }) => op) };
}

test('the first holder mounts, the last one unmounts, whoever it is', async () => {
  const { store, mounts, told } = await bench('count');
  await store.create({ name: 'mem', options: TMPFS });
  await Promise.all(['a1', 'a2', 'a3'].map((holder) => mounts.hold('mem', holder)));
  assert.deepEqual(told(), ['volume_mount']);
  await mounts.hold('mem', 'a1');
  await mounts.release('a1');
  await mounts.release('a2');
  await mounts.release('a2');
  assert.deepEqual(told(), []);
  await mounts.release('a3');
  assert.deepEqual(told(), ['volume_unmount']);
  assert.equal(mounts.mounted('mem'), false);
});

test('a plain volume is never mounted', async () => {
  const { store, mounts, told } = await bench('plain');
  await store.create({ name: 'dir' });
  await mounts.hold('dir', 'a1');
  await mounts.release('a1');
  assert.deepEqual(told(), []);
});

test('a mount that fails is told in dockerd’s words with the kernel’s, and held by nobody', async () => {
  const { store, mounts } = await bench('fails', true);
  const { mountpoint } = await store.create({ name: 'mem', options: TMPFS });
  await assert.rejects(mounts.hold('mem', 'a1'), {
    code: 'kernel_refused',
    message:
      `error while mounting volume '${mountpoint}': failed to mount local volume: ` +
      `mount t:${mountpoint}, flags: 0x1, data: size=1m: invalid argument ` +
      "(tmpfs: Unknown parameter 'x')",
  });
  assert.equal(mounts.mounted('mem'), false);
});

test('a volume that a container without a record has is not removed', async () => {
  const { store } = await bench('reserved');
  await store.create({ name: 'dir' });
  const reserved = store.reserve('dir', 'c1');
  await assert.rejects(store.remove('dir'), {
    code: 'conflict',
    message: 'remove dir: volume is in use - [c1]',
  });
  reserved[Symbol.dispose]();
  await store.remove('dir');
});
