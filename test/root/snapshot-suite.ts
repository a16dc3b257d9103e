// What every storage driver must do, whatever it does for that: the rules of snapshots, told by
// what a container would see. Layers come from archives and go back into them.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '#base/digest.ts';
import { isEngineError } from '#base/error.ts';
import { encodeLayer } from '#container/layer-tar.ts';
import { applyLayer } from '#image/layer/apply.ts';
import { withMarksByName } from '#image/layer/marks-by-name.ts';
import { CLONE } from '#kernel/namespace/namespace.ts';
import { MS } from '#kernel/mount/flags.ts';
import { NativeAgent } from '#kernel/native/agent.ts';
import type { Op } from '#kernel/native/op.ts';
import { NativeTreeWriter } from '#kernel/native/tree.ts';
import { NativeVisit, type TreeEntry } from '#kernel/native/visit.ts';
import { type ChainId, chainOn } from '#snapshot/chain.ts';
import { copyDriver } from '#snapshot/copy.ts';
import { marksByName, type SnapshotDriver } from '#snapshot/driver.ts';
import { OVERLAY } from '#snapshot/overlay.ts';
import { SnapshotStore } from '#snapshot/store.ts';
import { TopCopies } from '#snapshot/top-copies.ts';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { Trash } from '#base/trash.ts';
import { removeTrees } from '#snapshot/remove-tree.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NATIVE } from './native-path.ts';

export type DriverName = 'overlay2' | 'copy';

export class Bench implements AsyncDisposable {
  readonly directory = makeScratch('driver-');
  readonly agent = new NativeAgent(NATIVE);
  readonly driver: SnapshotDriver;
  store!: SnapshotStore;
  copies!: TopCopies;
  #layers = 0;

  private constructor(name: DriverName) {
    this.driver = name === 'copy' ? copyDriver((ops) => this.agent.perform(ops)) : OVERLAY;
  }

  static async open(name: DriverName): Promise<Bench> {
    const bench = new Bench(name);
    await bench.reopen();
    return bench;
  }

  /** As the next daemon finds it. */
  async reopen(): Promise<void> {
    const perform = (ops: readonly Op[]) => this.agent.perform(ops);
    const trash = new Trash(removeTrees, (path, error) => assert.fail(`${path}: ${error}`));
    this.store = await SnapshotStore.open(this.directory, this.driver, { perform, trash });
    const needs = { snapshots: this.store, carry: perform, perform, trash };
    this.copies = new TopCopies(this.directory, needs);
  }

  /** One layer on another, from the entries of its archive. */
  async layer(parent: ChainId | undefined, items: readonly EncodeItem[]): Promise<ChainId> {
    return this.layerOf(parent, encodeTar(items));
  }

  async layerOf(parent: ChainId | undefined, archive: AsyncIterable<Uint8Array>): Promise<ChainId> {
    this.#layers += 1;
    const diffId = sha256(`layer ${this.#layers}`);
    const chain = chainOn(parent, diffId);
    await using stage = await this.store.stage(parent);
    const writer = new NativeTreeWriter({ nativePath: NATIVE, root: stage.root, durable: false });
    await using tree = marksByName(stage.root) ? withMarksByName(writer) : writer;
    const signal = new AbortController().signal;
    await applyLayer(archive, tree, {
      lower: this.store.lower(parent),
      signal,
    });
    await tree.finish();
    await stage.commit({ chain, diffId, bytes: 1, tarBytes: 1 });
    return chain;
  }

  /** The root of a top as a container has it, in a namespace of its own. */
  async visit(key: string): Promise<NativeVisit> {
    const root = this.store.root(key);
    const mount: Op =
      root.kind === 'bind'
        ? { op: 'root_bind', path: root.path }
        : { op: 'root_overlay', ...root, options: [] };
    return NativeVisit.open(NATIVE, [
      mount,
      { op: 'unshare', flags: CLONE.NEWNS },
      { op: 'propagation', flags: MS.REC | MS.SLAVE },
      { op: 'root_attach', directory: '/' },
      { op: 'pivot_root' },
      { op: 'tree_settle' },
    ]);
  }

  /** "path mode uid:gid content" of all that is seen. */
  async see(key: string): Promise<readonly string[]> {
    await using visit = await this.visit(key);
    const lines: string[] = [];
    let at: TreeEntry | undefined;
    let text = '';
    const put = (): void => {
      if (at === undefined || at.path === '') return;
      const { path, mode, uid, gid, hardLink, link, xattrs } = at;
      const more = [...xattrs].map(([name, value]) => `${name}=${value}`).join(' ');
      const what = hardLink ? `= ${link}` : link === '' ? text : `-> ${link}`;
      lines.push(`${path} ${mode.toString(8)} ${uid}:${gid} ${what} ${more}`.trim());
    };
    for await (const records of visit.walk({ directory: '', name: '', data: true })) {
      for (const record of records) {
        if (record.kind === 'data') text += record.data.toString('latin1');
        if (record.kind !== 'entry') continue;
        put();
        [at, text] = [record, ''];
      }
    }
    put();
    return lines;
  }

  async names(key: string): Promise<readonly string[]> {
    return (await this.see(key)).map((line) => line.split(' ')[0] ?? '');
  }

  /** Writes as a container would. */
  async write(key: string, items: readonly EncodeItem[]): Promise<void> {
    await using visit = await this.visit(key);
    const tree = await visit.writer({ strict: false });
    for (const { kind, path, linkPath = '', body } of items) {
      const meta = { mode: 0o640, uid: 7, gid: 8, mtime: 1n };
      if (kind === 'dir') await tree.dir(path, meta);
      else if (kind === 'symlink') await tree.symlink(path, linkPath, meta);
      else if (kind === 'link') await tree.link(path, linkPath);
      else {
        const data = body instanceof Uint8Array ? body : Buffer.alloc(0);
        await tree.file(path, meta, data.length);
        await tree.data(data);
      }
    }
    await tree.finish();
  }

  async remove(key: string, ...paths: readonly string[]): Promise<void> {
    await using visit = await this.visit(key);
    const tree = await visit.writer({ strict: false });
    for (const path of paths) await (tree as NativeTreeWriter).remove(path);
    await tree.finish();
  }

  async #differences(key: string): Promise<NativeVisit> {
    const root = this.store.root(key);
    const path = root.kind === 'overlay' ? root.upper : root.path;
    const lower = root.kind === 'overlay' ? root.lower : this.store.lower(this.store.parent(key));
    return NativeVisit.open(NATIVE, [
      { op: 'tree_layer', path, lower, joined: 0 },
      { op: 'tree_settle' },
    ]);
  }

  get #compare() {
    return this.driver.whole ? ('absence' as const) : ('marks' as const);
  }

  async diff(key: string): Promise<readonly string[]> {
    await using visit = await this.#differences(key);
    const lines: string[] = [];
    const wish = { directory: '', name: '', data: false, compare: this.#compare };
    for await (const records of visit.walk(wish)) {
      for (const record of records) {
        if (record.kind !== 'entry' || record.path === '') continue;
        lines.push(`${record.gone ? 'D' : record.wasThere ? 'C' : 'A'} ${record.path}`);
      }
    }
    return lines;
  }

  /** What was written becomes one more layer. */
  async commit(key: string): Promise<ChainId> {
    await using visit = await this.#differences(key);
    const wish = { directory: '', name: '', data: true, compare: this.#compare };
    const archive = encodeLayer(visit.walk(wish), { marks: !this.driver.whole });
    return await this.layerOf(this.store.parent(key), archive);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    await this.agent[Symbol.asyncDispose]();
    removeScratch(this.directory);
  }
}

export const file = (path: string, text = '', more: Partial<EncodeItem> = {}): EncodeItem => ({
  kind: 'file',
  path,
  mode: 0o644,
  mtime: 5_000_000_000n,
  size: Buffer.byteLength(text),
  body: Buffer.from(text),
  ...more,
});
export const dir = (path: string, mode = 0o755): EncodeItem => ({ kind: 'dir', path, mode });

/** Two layers: the second changes, hides and replaces. */
export async function twoLayers(bench: Bench): Promise<ChainId> {
  const base = await bench.layer(undefined, [
    dir('a', 0o1777),
    file('a/kept', 'kept', { uid: 3, gid: 4 }),
    file('a/gone', 'x'),
    dir('hidden'),
    file('hidden/below', 'x'),
    file('was-file', 'x'),
    dir('was-dir'),
    file('was-dir/in', 'x'),
    file('one', '1', { xattrs: new Map([['user.note', Buffer.from('n')]]) }),
    { kind: 'link', path: 'two', linkPath: 'one', mode: 0o644 },
  ]);
  return bench.layer(base, [
    file('a/.wh.gone'),
    file('a/new', 'new'),
    dir('hidden'),
    file('hidden/.wh..wh..opq'),
    file('hidden/above', 'above'),
    dir('was-file'),
    file('was-file/in', 'in'),
    file('was-dir', 'file'),
    { kind: 'symlink', path: 'link', linkPath: 'one', mode: 0o777 },
  ]);
}

const SEEN = [
  'a 41777 0:0',
  'a/kept 100644 3:4 kept',
  'a/new 100644 0:0 new',
  'hidden 40755 0:0',
  'hidden/above 100644 0:0 above',
  'link 120777 0:0 -> one',
  'one 100644 0:0 1 user.note=n',
  'two 100644 0:0 = one',
  'was-dir 100644 0:0 file',
  'was-file 40755 0:0',
  'was-file/in 100644 0:0 in',
];

/** Each rule by its sentence. */
export const RULES: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  'a top shows its layers as one tree: the later one wins, what it hides is hidden': async (
    bench,
  ) => {
    await bench.store.prepare('t', await twoLayers(bench));
    assert.deepEqual(await bench.see('t'), SEEN);
  },
  'what is written to one top is in no other, nor in a layer': async (bench) => {
    const chain = await twoLayers(bench);
    await bench.store.prepare('t1', chain);
    await bench.store.prepare('t2', chain);
    await bench.write('t1', [file('a/kept', 'changed'), file('one', 'changed'), file('x', 'x')]);
    await bench.remove('t1', 'hidden', 'a/new');
    assert.deepEqual(await bench.see('t2'), SEEN);
    await bench.store.prepare('t3', chain);
    assert.deepEqual(await bench.see('t3'), SEEN);
    assert.ok((await bench.see('t1')).includes('a/kept 100640 7:8 changed'));
  },
  'a committed layer and a top are there for the next life, a dropped stage is not': async (
    bench,
  ) => {
    const chain = await twoLayers(bench);
    await bench.store.prepare('t', chain);
    await bench.write('t', [file('x', 'x')]);
    {
      await using stage = await bench.store.stage(chain);
      assert.ok(stage.root.length > 0);
    }
    const seen = await bench.see('t');
    await bench.store.settle(async () => {});
    await bench.reopen();
    assert.deepEqual(bench.store.problems, []);
    assert.equal(bench.store.parent('t'), chain);
    assert.deepEqual(await bench.see('t'), seen);
    const layers = readdirSync(join(bench.directory, bench.driver.folder, 'layers'));
    assert.equal(layers.filter((name) => !name.startsWith('.')).length, 2);
  },
  'a layer that something stands on cannot be removed; afterwards nothing is left': async (
    bench,
  ) => {
    const chain = await twoLayers(bench);
    const base = bench.store.layer(chain)?.parent;
    assert.ok(base !== undefined);
    await bench.store.prepare('t', chain);
    for (const each of [base, chain]) {
      await assert.rejects(bench.store.removeLayer(each), (error) =>
        isEngineError(error, 'conflict'),
      );
    }
    await bench.store.remove('t');
    await bench.store.removeLayer(chain);
    await bench.store.prepare('t', base);
    assert.deepEqual((await bench.names('t')).slice(0, 3), ['a', 'a/gone', 'a/kept']);
    await bench.store.remove('t');
    await bench.store.removeLayer(base);
    await bench.store[Symbol.asyncDispose]();
    for (const name of ['layers', 'tops']) {
      const left = readdirSync(join(bench.directory, bench.driver.folder, name));
      assert.deepEqual(
        left.filter((each) => each !== '.empty'),
        [],
      );
    }
  },
  'the differences of a top are told alike, and as a layer they give the same tree': async (
    bench,
  ) => {
    await bench.store.prepare('t', await twoLayers(bench));
    await bench.write('t', [file('a/kept', 'longer than before'), file('d/e/new', 'n')]);
    await bench.remove('t', 'a/new', 'was-file', 'hidden/above', 'hidden');
    await bench.write('t', [
      { kind: 'dir', path: 'hidden', mode: 0o755 },
      file('hidden/again', 'h'),
    ]);
    await bench.write('t', [{ kind: 'link', path: 'three', linkPath: 'd/e/new', mode: 0o644 }]);
    assert.deepEqual(await bench.diff('t'), [
      'C a',
      'C a/kept',
      'D a/new',
      'A d',
      'A d/e',
      'A d/e/new',
      'C hidden',
      'D hidden/above',
      'A hidden/again',
      'A three',
      'D was-file',
    ]);
    const seen = await bench.see('t');
    await bench.store.prepare('c', await bench.commit('t'));
    assert.deepEqual(await bench.see('c'), seen);
    assert.deepEqual(await bench.diff('c'), []);
  },
  'a top goes back to its snapshot': async (bench) => {
    await bench.store.prepare('t', await twoLayers(bench));
    await bench.write('t', [file('kept-by-snapshot', 'x')]);
    await bench.remove('t', 'a/kept', 'hidden');
    const seen = await bench.see('t');
    await bench.copies.create('t', 's');
    await bench.write('t', [file('later', 'x'), file('hidden', 'x'), file('a/kept', 'x')]);
    await bench.copies.rollback('t', 's');
    assert.deepEqual(await bench.see('t'), seen);
    assert.deepEqual(
      (await bench.copies.list('t')).map(({ name }) => name),
      ['s'],
    );
  },
  "the image's root attributes are those of the container's root": async (bench) => {
    const base = await bench.layer(undefined, [{ kind: 'dir', path: './', mode: 0o1711, uid: 5 }]);
    await bench.store.prepare('t', await bench.layer(base, [file('x')]));
    await using visit = await bench.visit('t');
    const { mode, uid } = await visit.stat('', '');
    assert.deepEqual([mode.toString(8), uid], ['41711', 5]);
  },
  'a top without layers is empty': async (bench) => {
    await bench.store.prepare('t', undefined);
    assert.deepEqual(await bench.see('t'), []);
    await bench.write('t', [file('x', 'x')]);
    assert.deepEqual(await bench.diff('t'), ['A x']);
  },
  'hundreds of layers are one root': async (bench) => {
    // A copy of all layers for each layer: the same, in less.
    const count = bench.driver.whole ? 40 : 400;
    let chain: ChainId | undefined;
    for (let i = 0; i < count; i += 1) {
      const diffId = sha256(`many ${i}`);
      const next: ChainId = chainOn(chain, diffId);
      await using stage = await bench.store.stage(chain);
      await bench.agent.perform([{ op: 'mkdir', path: join(stage.root, `d${i}`), mode: 0o755 }]);
      await stage.commit({ chain: next, diffId, bytes: 0, tarBytes: 0 });
      chain = next;
    }
    await bench.store.prepare('t', chain);
    assert.equal((await bench.names('t')).length, count);
  },
};
