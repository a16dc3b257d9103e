// The language of Dockerfiles: three hundred small ones, each with what it must give. What
// dockerd's classic builder knows was written down from a dockerd 20.10
// (tools/record-build-corpus.ts).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { CASES, type Expected, loadBase, runCorpus } from '../fixture/build-corpus.ts';

const CONCURRENCY = 6;
const skip = cannotRun();
let daemon: Daemon;
let found: ReadonlyMap<string, Expected>;

function read(name: string): Readonly<Record<string, Expected>> {
  const path = join(ROOT, 'test/compat/build-corpus', name);
  return JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, Expected>>;
}
const DOCKERD = read('dockerd-20.10.json');
const OWN = read('own.json');

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  await loadBase(daemon.engine.host);
  found = await runCorpus(daemon.engine.socket, CASES, CONCURRENCY);
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

for (const { differs, name } of CASES) {
  const whose = differs === undefined ? 'as dockerd' : 'ours';
  test(`${name} (${whose})`, { skip }, () => {
    const expected = differs === undefined ? DOCKERD[name] : OWN[name];
    assert.ok(expected !== undefined, 'it was not written down');
    assert.deepEqual(found.get(name), expected);
  });
}

test('no build leaves a container, a mount or a file behind', { skip }, async () => {
  assert.equal(await daemon.ok('ps', '-aq'), '');
});
