// `coracle image explore`: text, JSON, the check for CI and the screen, on an image with waste.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ExploreReply } from '#wire/explore.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';

const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  const step = async (from: string, script: string, to: string): Promise<void> => {
    await daemon.ok('run', '--net', 'none', '--name', 'step', from, 'sh', '-c', script);
    await daemon.ok('commit', 'step', to);
    await daemon.ok('rm', 'step');
  };
  await step(
    'busybox',
    'mkdir -p /opt/lib && head -c 1000000 /bin/busybox > /opt/lib/big; echo a > /a',
    'first',
  );
  await step('first', 'rm -rf /opt; echo bb > /a', 'second');
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

const explore = (...argv: readonly string[]): Promise<Result> =>
  daemon.run([join(ROOT, 'bin/coracle'), 'image', 'explore', ...argv]);

test('each layer tells what it adds, changes, removes and wastes', { skip }, async () => {
  const { code, stdout } = await explore('--json', 'second');
  assert.equal(code, 0);
  const reply = JSON.parse(stdout) as ExploreReply;
  const [, first, second] = reply.Layers;
  assert.deepEqual(
    first?.Changes.map(({ Kind, Path, Bytes }) => `${Kind} ${Path} ${Bytes}`),
    ['A a 2', 'A opt 0', 'A opt/lib 0', 'A opt/lib/big 1000000'],
  );
  assert.deepEqual(
    second?.Changes.map(({ Kind, Path, Wasted }) => `${Kind} ${Path} ${Wasted}`),
    ['C a 2', 'D opt 1000000'],
  );
  assert.equal(reply.Wasted, 1_000_002);
  assert.match(first?.CreatedBy ?? '', /^sh -c mkdir/);
});

test('the text is for people, the limit for CI', { skip }, async () => {
  const { stdout } = await explore('second');
  assert.match(stdout, /^second: .*3 layers, 1MB wasted \(3\d\.\d %\)$/m);
  assert.match(stdout, /- opt\/ wastes 1MB/);
  const over = await explore('--max-wasted', '5', 'second');
  assert.equal(over.code, 1);
  assert.match(over.stderr, /second: 3\d\.\d % of its bytes are wasted, and 5 % may be/);
  assert.equal((await explore('--max-wasted', '60%', 'second')).code, 0);
  assert.equal((await explore('--max-wasted', 'x', 'second')).code, 125);
  assert.match((await explore('nothing')).stderr, /No such image: nothing/);
});

test('in a terminal it is a screen that is left with q', { skip }, async () => {
  const command = `${join(ROOT, 'bin/coracle')} image explore second`;
  const { stdout, code } = await daemon.run(['script', '-qec', command, '/dev/null'], {
    input: '\u001b[C\u001b[C q',
    timeoutMs: 10_000,
  });
  assert.equal(code, 0);
  assert.ok(stdout.includes('\u001b[?1049h') && stdout.includes('\u001b[?1049l'));
  assert.ok(stdout.includes('- opt/'));
});
