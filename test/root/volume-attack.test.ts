// What a container with a volume, or the host around it, could turn against the host.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { NativeAgent } from '#kernel/native/agent.ts';
import { VolumeMounts } from '#volume/mounts.ts';
import { VolumeStore } from '#volume/volume.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NATIVE } from './native-path.ts';

const WAIT_MS_MAX = 5000;
/** Of native/volume.h. */
const TREE_DEPTH_MAX = 300;
const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : 'needs root';
const scratch = isRoot ? makeScratch('attack-') : '';
const directory = join(scratch, 'memory');
if (isRoot) {
  mkdirSync(directory);
  mount('-t', 'tmpfs', 'tmpfs', directory);
}
const agent = new NativeAgent(NATIVE);
after(async () => {
  await agent[Symbol.asyncDispose]();
  if (!isRoot) return;
  assert.equal(spawnSync('umount', ['-R', directory]).status, 0);
  assert.deepEqual(removeScratch(scratch), []);
});

/** A directory with something mounted below it, which mounts of the host are shared with. */
function sharedTree(name: string): string {
  const source = join(directory, name);
  mkdirSync(source);
  mount('-t', 'tmpfs', 'tmpfs', source);
  mount('--make-shared', source);
  mkdirSync(join(source, 'below'));
  mount('-t', 'tmpfs', 'tmpfs', join(source, 'below'));
  writeFileSync(join(source, 'below/f'), '');
  return source;
}

function mount(...argv: readonly string[]): void {
  assert.equal(spawnSync('mount', argv).status, 0);
}

test('a directory that is exchanged for a link while a volume is filled leads to no file of the host', {
  skip,
}, async () => {
  const [image, target, host] = ['image', 'target', 'host'].map((name) => join(directory, name));
  assert.ok(image && target && host);
  for (const each of ['one', 'two']) mkdirSync(join(image, each), { recursive: true });
  for (const each of [target, host]) mkdirSync(each);
  for (let at = 0; at < 1500; at += 1) {
    writeFileSync(join(image, 'one', `${at}`), '');
    linkSync(join(image, 'one', `${at}`), join(image, 'two', `${at}`));
    writeFileSync(join(host, `${at}`), 'secret');
  }
  const filling = agent.perform([{ op: 'copy_up', lower: [image], path: '', target, joined: 0 }]);
  // Without a turn of the event loop, while the other process copies.
  const waitFor = (count: number): readonly string[] => {
    for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; ) {
      const made = readdirSync(target);
      if (made.length >= count) return made;
    }
    return [];
  };
  const [first = 'none'] = waitFor(1);
  assert.equal(waitFor(2).length, 2);
  renameSync(join(target, first), join(target, 'away'));
  symlinkSync(host, join(target, first));
  await filling;
  const linked = readdirSync(host).filter((name) => statSync(join(host, name)).nlink > 1);
  assert.deepEqual(linked, []);
});

test('what is mounted below a directory of the host stays when a volume of it is unmounted', {
  skip,
}, async () => {
  const source = sharedTree('source');
  const target = join(directory, 'volume');
  mkdirSync(target);
  await agent.perform([
    { op: 'volume_bind', target, source, recursive: 1, attr_set: 0, attr_clear: 0 },
  ]);
  assert.ok(existsSync(join(target, 'below/f')));
  await agent.perform([{ op: 'volume_unmount', target }]);
  assert.ok(existsSync(join(source, 'below/f')), 'it was unmounted with the volume');
});

test('a volume of a directory of the host keeps what is mounted below it when the daemon comes back', {
  skip,
}, async () => {
  const device = sharedTree('kept');
  const perform = agent.perform.bind(agent);
  const trash = { remove: async () => {}, sweep: async () => {} };
  const needs = { perform, carry: perform, trash, events: { publish: () => {} } };
  const start = async () => {
    const store = new VolumeStore(join(directory, 'volumes'), needs);
    assert.deepEqual(await store.load(), []);
    return { store, mounts: new VolumeMounts(store) };
  };
  const { store, mounts } = await start();
  const options = { type: 'none', o: 'rbind', device };
  const { mountpoint } = await store.create({ name: 'host', options });
  await mounts.hold('host', 'c1');
  const next = await start();
  await next.mounts.recover(new Map([['c1', ['host']]]));
  assert.ok(existsSync(join(mountpoint, 'below/f')));
  await next.mounts.release('c1');
  assert.ok(!existsSync(join(mountpoint, 'below')));
  assert.ok(existsSync(join(device, 'below/f')));
});

test('directories as deep as the limit are copied with the 1024 descriptors that a host gives', {
  skip,
}, async () => {
  const [from, to] = ['deep', 'deep-copy'].map((name) => join(directory, name));
  assert.ok(from && to);
  mkdirSync(join(from, 'd/'.repeat(TREE_DEPTH_MAX - 1)), { recursive: true });
  const few = join(directory, 'few-descriptors');
  writeFileSync(few, `#!/bin/sh\nulimit -n 1024\nexec ${NATIVE} "$@"\n`, { mode: 0o755 });
  await using copier = new NativeAgent(few);
  await copier.perform([{ op: 'copy_tree', from, to }]);
  mkdirSync(join(from, 'd/'.repeat(TREE_DEPTH_MAX + 1)), { recursive: true });
  const again = copier.perform([{ op: 'copy_tree', from, to: `${to}-2` }]);
  await assert.rejects(again, { message: /TOO_MANY/ });
});
