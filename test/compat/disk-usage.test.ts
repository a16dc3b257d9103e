// What takes space on disk, as both command lines tell it of one engine, and what a prune would
// free.
import assert from 'node:assert/strict';
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

test('both command lines show the same tables, also with sharing and volumes', {
  skip,
}, async () => {
  const write = 'dd if=/dev/zero of=/f bs=1k count=100 2>/dev/null; sleep 600';
  await daemon.ok('run', '-d', '--name', 'live', '--network', 'none', 'busybox', 'sh', '-c', write);
  await daemon.ok('create', '--name', 'made', '-v', 'data:/data', 'busybox', 'true');
  await daemon.ok('volume', 'create', 'free');
  await daemon.ok('tag', 'busybox', 'other/name:2');
  for (const argv of [['df'], ['df', '--format', 'json'], ['df', '-v']]) {
    // Ages are of the moment.
    const [docker, coracle] = await Promise.all(
      [['docker'], [CORACLE]].map((program) => daemon.run([...program, 'system', ...argv])),
    );
    const ageless = (text = ''): string =>
      text.replaceAll(/\b(Less than a|\d+) seconds?\b/g, 'AGE');
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
  assert.equal(asked.code, 0);
  assert.match(await daemon.ok('ps', '-a', '--format', '{{.Names}}'), /^full$/m);
  const done = await daemon.run([CORACLE, 'system', 'prune'], { input: 'y\n' });
  assert.match(done.stdout, /Total reclaimed space: 2\.\d+MB\n$/);
  assert.doesNotMatch(await daemon.ok('ps', '-a', '--format', '{{.Names}}'), /^full$/m);
});
