import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Digest, hexOf, sha256 } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import { type ChainId, chainOf, chainOn, chainsOf } from './chain.ts';
import { OverlaySnapshotter } from './overlay.ts';
import { removeTree } from './remove-tree.ts';
import type { Snapshotter } from './snapshotter.ts';

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-snapshot-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function layer(
  snapshots: Snapshotter,
  parent: ChainId | undefined,
  name: string,
): Promise<ChainId> {
  const diffId = sha256(name);
  const chain = chainOn(parent, diffId);
  await using stage = await snapshots.stage(parent);
  writeFileSync(join(stage.root, name), name);
  await stage.commit({ chain, diffId, bytes: name.length, tarBytes: 1024 });
  return chain;
}

test('a chain ID is the diffID of one layer, and the digest of parent and diffID above that', () => {
  const [a, b] = [sha256('a'), sha256('b')];
  assert.equal(chainOf([]), undefined);
  assert.equal(chainOf([a]), a);
  assert.equal(chainOf([a, b]), sha256(`${a} ${b}`));
  assert.deepEqual(chainsOf([a, b]), [a, sha256(`${a} ${b}`)]);
});

test('a committed layer is there, also for the next life; a stage that was dropped is not', () =>
  inFolder(async (folder) => {
    const snapshots = await OverlaySnapshotter.open(folder);
    const base = await layer(snapshots, undefined, 'base');
    const top = await layer(snapshots, base, 'top');
    {
      await using stage = await snapshots.stage(top);
      writeFileSync(join(stage.root, 'x'), 'x');
    }
    assert.deepEqual(
      readdirSync(join(folder, 'layers')).sort(),
      ['.empty', hexOf(base), hexOf(top)].sort(),
    );
    const again = await OverlaySnapshotter.open(folder);
    assert.deepEqual(again.problems, []);
    assert.deepEqual(
      again.lower(top),
      [top, base].map((chain) => join(folder, 'layers', hexOf(chain), 'diff')),
    );
    assert.equal(again.layer(top)?.parent, base);
  }));

test('a top has its own upper and work on the chain, and its parent is known after a restart', () =>
  inFolder(async (folder) => {
    const snapshots = await OverlaySnapshotter.open(folder);
    const base = await layer(snapshots, undefined, 'base');
    await snapshots.prepare('c1', base);
    await snapshots.prepare('c2', undefined);
    const again = await OverlaySnapshotter.open(folder);
    assert.deepEqual(again.root('c1'), {
      kind: 'overlay',
      lower: [join(folder, 'layers', hexOf(base), 'diff')],
      upper: join(folder, 'tops/c1/upper'),
      work: join(folder, 'tops/c1/work'),
    });
    assert.deepEqual(again.root('c2').lower, [join(folder, 'layers/.empty')]);
    assert.deepEqual([...again.tops()].sort(), ['c1', 'c2']);
    assert.equal(again.parent('c1'), base);
    await assert.rejects(again.prepare('c1', base), (error) => isEngineError(error, 'conflict'));
    await assert.rejects(again.prepare('../x', base), /invalid snapshot key/);
    await assert.rejects(again.prepare('c3', sha256('?') as ChainId), /does not exist/);
  }));

test('a removed top leaves nothing, whatever the container wrote', () =>
  inFolder(async (folder) => {
    const snapshots = await OverlaySnapshotter.open(folder);
    await snapshots.prepare('c1', undefined);
    const upper = snapshots.root('c1').upper;
    writeFileSync(Buffer.concat([Buffer.from(`${upper}/`), Buffer.from([0xff, 0x0a])]), 'bytes');
    mkdirSync(join(upper, 'd/e'), { recursive: true });
    writeFileSync(join(upper, 'd/e/f'), Buffer.alloc(8192));
    await Promise.all([snapshots.remove('c1'), snapshots.remove('c1')]);
    await snapshots.remove('c1');
    await snapshots[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(join(folder, 'tops')), []);
    assert.throws(
      () => snapshots.root('c1'),
      (error) => isEngineError(error, 'not_found'),
    );
  }));

test('a tree deeper than PATH_MAX is removed', () =>
  inFolder(async (folder) => {
    const root = join(folder, 'deep');
    mkdirSync(root);
    // Made as a container would: by changing into each directory.
    const program = `const fs = require('node:fs');
      for (let i = 0; i < 60; i += 1) { fs.mkdirSync('n'.repeat(200)); process.chdir('n'.repeat(200)); }
      fs.writeFileSync('f', '');`;
    execFileSync(process.execPath, ['-e', program], { cwd: root });
    await removeTree(root);
    assert.equal(existsSync(root), false);
  }));

test('a layer that something stands on cannot be removed', () =>
  inFolder(async (folder) => {
    const snapshots = await OverlaySnapshotter.open(folder);
    const base = await layer(snapshots, undefined, 'base');
    const top = await layer(snapshots, base, 'top');
    await snapshots.prepare('c1', top);
    await assert.rejects(snapshots.removeLayer(base), (error) => isEngineError(error, 'conflict'));
    await assert.rejects(snapshots.removeLayer(top), (error) => isEngineError(error, 'conflict'));
    await snapshots.remove('c1');
    await snapshots.removeLayer(top);
    await snapshots.removeLayer(base);
    assert.deepEqual(readdirSync(join(folder, 'layers')), ['.empty']);
  }));

test('a broken record puts that layer and what stands on it aside, and it can be made anew', () =>
  inFolder(async (folder) => {
    const snapshots = await OverlaySnapshotter.open(folder);
    const base = await layer(snapshots, undefined, 'base');
    const top = await layer(snapshots, base, 'top');
    const other = await layer(snapshots, undefined, 'other');
    writeFileSync(join(folder, 'layers', hexOf(base), 'record.json'), '{"version":1');
    const again = await OverlaySnapshotter.open(folder);
    assert.deepEqual([again.has(base), again.has(top), again.has(other)], [false, false, true]);
    assert.equal(again.problems.length, 2);
    assert.equal(await layer(again, undefined, 'base'), base);
    assert.ok(again.has(base));
  }));

test('what a dead daemon was making is removed at the next start', () =>
  inFolder(async (folder) => {
    mkdirSync(join(folder, 'layers/.stage-1/diff'), { recursive: true });
    mkdirSync(join(folder, 'tops/.gone-1/upper'), { recursive: true });
    mkdirSync(join(folder, 'tops/half/upper'), { recursive: true });
    {
      await using snapshots = await OverlaySnapshotter.open(folder);
      assert.deepEqual(snapshots.tops(), []);
    }
    assert.deepEqual(readdirSync(join(folder, 'layers')), ['.empty']);
    assert.deepEqual(readdirSync(join(folder, 'tops')), []);
  }));

test("the image's root attributes are those of the container's root", () =>
  inFolder(async (folder) => {
    const snapshots = await OverlaySnapshotter.open(folder);
    const diffId: Digest = sha256('a');
    const chain = chainOn(undefined, diffId);
    {
      await using stage = await snapshots.stage(undefined);
      chmodSync(stage.root, 0o1777);
      await stage.commit({ chain, diffId, bytes: 0, tarBytes: 0 });
    }
    const top = await layer(snapshots, chain, 'top');
    await snapshots.prepare('c1', top);
    assert.equal(statSync(snapshots.root('c1').upper).mode & 0o7777, 0o1777);
  }));
