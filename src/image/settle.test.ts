// Layers that a power cut has caught: their archives are on the disk, their files may not be.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '#base/digest.ts';
import { type ChainId, chainOn } from '#snapshot/chain.ts';
import type { SnapshotDriver } from '#snapshot/driver.ts';
import { OVERLAY } from '#snapshot/overlay.ts';
import { SnapshotStore } from '#snapshot/store.ts';
import { dockerArchive, dir, file, type ImageWish, tar } from '../../test/fixture/archive.ts';
import { ImageBench } from '../../test/fixture/image-bench.ts';
import { collectAll } from './collect.ts';

async function withImage(run: (bench: ImageBench, wish: ImageWish) => Promise<void>) {
  await using bench = await ImageBench.open();
  const layers = [await tar([dir('etc'), file('etc/a', 'a')]), await tar([file('etc/b', 'b')])];
  const wish = { layers, tags: ['t:1'] };
  await bench.load(await dockerArchive([wish]));
  await run(bench, wish);
}

type LayerJson = { readonly parent?: string; unsyncedBoot?: string };

/** Each layer's record, as it is written back. */
function records(bench: ImageBench, change: (record: LayerJson) => void): readonly LayerJson[] {
  const folder = join(bench.dataRoot, 'layers');
  return readdirSync(folder).flatMap((name) => {
    if (name.startsWith('.')) return [];
    const path = join(folder, name, 'record.json');
    const record: LayerJson = JSON.parse(readFileSync(path, 'utf8'));
    change(record);
    writeFileSync(path, JSON.stringify(record));
    return [record];
  });
}

const cutPower = (bench: ImageBench, which: (record: LayerJson) => boolean) =>
  records(bench, (record) => {
    if (which(record)) record.unsyncedBoot = 'another';
  });

test('a new layer is known to be on the disk once the file system was synced', async () => {
  await withImage(async (bench) => {
    await bench.snapshots.settle(async () => {});
    for (const { unsyncedBoot } of records(bench, () => {})) assert.equal(unsyncedBoot, undefined);
    let syncs = 0;
    await bench.snapshots.settle(async () => {
      syncs += 1;
    });
    assert.equal(syncs, 0);
  });
});

test('layers that a power cut has caught are made again from their archives', async () => {
  await withImage(async (bench) => {
    const made = bench.trees.length;
    cutPower(bench, ({ parent }) => parent === undefined);
    await bench.reopen();
    assert.deepEqual(bench.images.problems, []);
    const { chains } = bench.images.resolve('t:1');
    assert.ok(chains.every((chain) => bench.snapshots.has(chain)));
    assert.equal(bench.trees.length, made + 2, 'also the one above');
    assert.deepEqual(bench.snapshots.doubtful, []);
  });
});

test('one whose archive is lost, too, is told', async () => {
  await withImage(async (bench, wish) => {
    cutPower(bench, () => true);
    const top = bench.images.resolve('t:1').layers[1];
    assert.ok(top !== undefined && wish.layers.length === 2);
    rmSync(bench.images.deps.content.path(top.digest));
    await bench.reopen();
    assert.match(bench.images.problems[0]?.message ?? '', /lost and cannot be made again: blob/);
    assert.equal(bench.images.list().length, 1);
  });
});

test('a layer in doubt that no image needs is removed', async () => {
  await withImage(async (bench) => {
    cutPower(bench, () => true);
    rmSync(join(bench.dataRoot, 'images'), { recursive: true });
    rmSync(join(bench.dataRoot, 'references'), { recursive: true });
    await bench.reopen();
    await bench.snapshots[Symbol.asyncDispose]();
    const left = readdirSync(join(bench.dataRoot, 'layers'));
    assert.deepEqual(
      left.filter((name) => !name.startsWith('.')),
      [],
    );
  });
});

test('what no image needs goes in one start, also where each layer is a whole tree', async () => {
  await using bench = await ImageBench.open();
  const driver: SnapshotDriver = { ...OVERLAY, whole: true };
  let parent: ChainId | undefined;
  for (let i = 0; i < 8; i += 1) {
    const diffId = sha256(`${i}`);
    const chain = chainOn(parent, diffId);
    await using stage = await bench.snapshots.stage(parent);
    await stage.commit({ chain, diffId, bytes: 0, tarBytes: 0 });
    parent = chain;
  }
  await using snapshots = await SnapshotStore.open(bench.dataRoot, driver);
  await collectAll({ ...bench.images.deps, snapshots });
  assert.deepEqual(snapshots.list(), []);
});
