// What a stranger's tree, archive or container may do to the C program, in its sanitizer build.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { NativeAgent } from '#kernel/native/agent.ts';

const NATIVE = new URL('../../build/coracle-native-asan', import.meta.url).pathname;
let base = '';

before(() => {
  base = mkdtempSync(join(tmpdir(), 'coracle-attack-'));
});

after(() => rmSync(base, { recursive: true, force: true }));

/** Longer than any path may be, from the bottom up. */
function makeDeep(path: string, levels: number): void {
  const next = `${path}.next`;
  mkdirSync(path);
  for (let level = 0; level < levels; level += 1) {
    mkdirSync(next);
    renameSync(path, join(next, 'directory'));
    renameSync(next, path);
  }
}

test('a tree is removed however deep it is, with few descriptors', async () => {
  const program = join(base, 'few');
  writeFileSync(program, `#!/bin/sh\nulimit -n 256\nexec ${NATIVE} "$@"\n`);
  chmodSync(program, 0o755);
  const top = join(base, 'deep');
  makeDeep(top, 2000);
  for (const name of ['.lifted-0', '.lifted-1'])
    mkdirSync(join(top, name, 'taken'), { recursive: true });
  writeFileSync(join(top, '.lifted-2'), '');
  await using agent = new NativeAgent(program);
  await agent.perform([{ op: 'remove_tree', path: top }]);
  assert.ok(!existsSync(top));
});

test('a directory called like a mark is content, and leads to nothing outside', async () => {
  const [from, to, other] = ['stage', 'tree', 'other'].map((name) => join(base, 'layer', name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(join(from, '.wh...'), { recursive: true });
  mkdirSync(join(from, '.wh.kept'));
  mkdirSync(join(to, 'kept'), { recursive: true });
  writeFileSync(join(from, '.wh.../file'), 'x');
  writeFileSync(other, 'x');
  await using agent = new NativeAgent(NATIVE);
  await agent.perform([{ op: 'layer_merge', from, to }]);
  assert.ok(existsSync(other));
  assert.ok(existsSync(join(to, 'kept')));
  assert.equal(readFileSync(join(to, '.wh.../file'), 'utf8'), 'x');
});
