// What takes space on disk, as both command lines tell it of one engine, and what a prune would
// free.
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const CORACLE = join(ROOT, 'bin/coracle');
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

/** The cache has a step more; it is the image's, too, as long as there is one. */
async function build(tag: string): Promise<void> {
  const input = `FROM busybox\nRUN echo ${tag} > /said\n`;
  const made = await daemon.run([CORACLE, 'build', '-q', '-t', tag, '-'], { input });
  assert.equal(made.code, 0, made.stderr);
}

test('both command lines show the same tables, also with sharing and volumes', {
  skip,
}, async () => {
  const write = 'dd if=/dev/zero of=/f bs=1k count=100 2>/dev/null; sleep 600';
  await daemon.ok('run', '-d', '--name', 'live', '--network', 'none', 'busybox', 'sh', '-c', write);
  await daemon.ok('create', '--name', 'made', '-v', 'data:/data', 'busybox', 'true');
  await daemon.ok('volume', 'create', 'free');
  await daemon.ok('tag', 'busybox', 'other/name:2');
  await build('built:kept');
  await build('built:gone');
  await daemon.ok('rmi', 'built:gone');
  const verbose = ['df', '-v', '--format'];
  const ways = [['df'], ['df', '--format', 'json'], ['df', '-v'], [...verbose, 'json']];
  for (const argv of [...ways, [...verbose, '{{range .BuildCache}}{{.ID}} {{.Size}}{{end}}']]) {
    // Ages are of the moment, and so is the width of their column.
    const [docker, coracle] = await Promise.all(
      [['docker'], [CORACLE]].map((program) => daemon.run([...program, 'system', ...argv])),
    );
    const ageless = (text = ''): string =>
      text
        .replaceAll(/\b(Less than a|\d+) seconds?\b/g, 'AGE')
        .replaceAll(/ {3,}/g, '   ')
        .trim();
    assert.equal(ageless(coracle?.stdout), ageless(docker?.stdout), argv.join(' '));
    assert.equal(coracle?.code, 0);
  }
});

test('system prune says what it would free before it asks', { skip }, async () => {
  const fill = 'dd if=/dev/zero of=/f bs=1k count=2000';
  await daemon.ok('run', '--name', 'full', '--network', 'none', 'busybox', 'sh', '-c', fill);
  const asked = await daemon.run([CORACLE, 'system', 'prune']);
  assert.match(asked.stdout, /^ {2}- all stopped containers \(2, 2\.\d+MB\)$/m);
  assert.match(asked.stdout, /^ {2}- all dangling images$/m);
  assert.match(asked.stdout, /^ {2}- unused build cache$/m);
  assert.equal(asked.code, 0);
  assert.match(await daemon.ok('ps', '-a', '--format', '{{.Names}}'), /^full$/m);
  const done = await daemon.run([CORACLE, 'system', 'prune'], { input: 'y\n' });
  // What the image built:kept has stays.
  assert.match(done.stdout, /^Deleted build cache objects:\n[0-9a-f]{64}\n\n/m);
  assert.match(done.stdout, /Total reclaimed space: 2\.\d+MB\n$/);
  assert.doesNotMatch(await daemon.ok('ps', '-a', '--format', '{{.Names}}'), /^full$/m);
});

test('downloads that were broken off are told before a prune and counted in what it freed', {
  skip,
}, async () => {
  const folder = join(daemon.engine.directory, 'data/ingest/partial');
  const bytes = 3 * 1024 * 1024;
  writeFileSync(join(folder, 'a'.repeat(64)), Buffer.alloc(bytes, 1));
  for (const verb of ['system', 'image']) {
    const { stdout } = await daemon.run([CORACLE, verb, 'prune'], { input: 'n\n' });
    assert.match(stdout, /downloads that were broken off \(3\.1\d*MB\)/);
  }
  const { stdout } = await daemon.run([CORACLE, 'image', 'prune', '-f']);
  assert.match(stdout, /Total reclaimed space: 3\.1\d*MB/);
  assert.deepEqual(readdirSync(folder), []);
});
