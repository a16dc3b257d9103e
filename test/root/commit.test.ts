// Commits under load, and what they must keep that a comparison of times would lose.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BranchesReply } from '#wire/explain.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

const run = (name: string, script: string): Promise<string> =>
  daemon.ok('run', '-d', '--net', 'none', '--name', name, 'busybox', 'sh', '-c', script);
const inside = (image: string, script: string): Promise<string> =>
  daemon.ok('run', '--rm', '--net', 'none', image, 'sh', '-c', script);

test('a commit holds a busy container still, and without a pause takes what there is', {
  skip,
}, async () => {
  await run(
    'busy',
    'i=0; while :; do i=$((i+1)); echo $i > /x; mv /x /a; echo $i > /x; mv /x /b; done',
  );
  await daemon.ok('exec', 'busy', 'sh', '-c', 'until test -e /b; do :; done');
  await daemon.ok('commit', 'busy', 'still');
  const [a, b] = (await inside('still', 'cat /a /b')).split('\n');
  assert.ok(Math.abs(Number(a) - Number(b)) <= 1, `${a} and ${b}`);
  assert.equal(await daemon.ok('inspect', '-f', '{{.State.Status}}', 'busy'), 'running');
  await daemon.ok('commit', '--pause=false', 'busy', 'moving');
  assert.match(await inside('moving', 'ls /'), /\ba\n/);
  await daemon.ok('rm', '-f', 'busy');
});

test('a change whose time was set back is committed, and what is gone stays gone', {
  skip,
}, async () => {
  await run(
    'back',
    'touch -r /etc/passwd /tmp/t; sed -i s/root/toor/g /etc/passwd; touch -r /tmp/t /etc/passwd; rm -rf /var /tmp/t; mkfifo /ready; sleep 1000',
  );
  await daemon.ok(
    'exec',
    'back',
    'sh',
    '-c',
    'until test -p /ready; do :; done; mkdir /var && touch /var/new && rm /bin/wget',
  );
  await daemon.ok('commit', 'back', 'level1');
  assert.match(await inside('level1', 'head -1 /etc/passwd'), /^toor:/);
  assert.equal(await inside('level1', 'ls -A /var; ls /bin/wget 2>/dev/null; true'), 'new');
  await daemon.ok('run', '--net', 'none', '--name', 'next', 'level1', 'rm', '-r', '/var');
  await daemon.ok('commit', 'next', 'level2');
  assert.equal(await inside('level2', 'ls -d /var 2>/dev/null; echo no'), 'no');
  assert.equal(await daemon.ok('inspect', '-f', '{{len .RootFS.Layers}}', 'level2'), '3');
  await daemon.ok('rm', '-f', 'back', 'next');
});

test('links, devices, attributes and owners of a mapped container are in the layer', {
  skip,
}, async () => {
  const made = await daemon.api('POST', '/containers/create?name=mapped', {
    Image: 'busybox',
    Cmd: [
      'sh',
      '-c',
      'mkdir /d; echo x > /d/a; ln /d/a /d/b; chown 5:6 /d/a; mkfifo /d/p; sleep 1000',
    ],
    HostConfig: { UsernsMode: 'map:300000:65536', NetworkMode: 'none' },
  });
  assert.equal(made.status, 201);
  await daemon.ok('start', 'mapped');
  await daemon.ok('exec', 'mapped', 'sh', '-c', 'until test -p /d/p; do :; done');
  await daemon.ok('commit', 'mapped', 'unmapped');
  const seen = await inside('unmapped', 'stat -c "%n %u %g %h %F" /d/a /d/b /d/p');
  assert.equal(seen, '/d/a 5 6 2 regular file\n/d/b 5 6 2 regular file\n/d/p 0 0 1 fifo');
  await daemon.ok('rm', '-f', 'mapped');
});

test('an export is a root that can be imported, also of a stopped container', {
  skip,
}, async () => {
  await daemon.ok(
    'run',
    '--net',
    'none',
    '--name',
    'gone',
    '-v',
    '/data',
    'busybox',
    'touch',
    '/data/hidden',
    '/kept',
  );
  const archive = `${daemon.engine.directory}/export.tar`;
  await daemon.ok('export', '-o', archive, 'gone');
  await daemon.ok('import', archive, 'again');
  assert.equal(await inside('again', 'ls /kept; ls -A /data'), '/kept');
  await daemon.ok('rm', '-v', 'gone');
});

test('explain tells the branches of a root, what was copied up and what sharing saves', {
  skip,
}, async () => {
  await run('branched', 'echo x >> /etc/passwd; echo y > /new; mkfifo /ready; sleep 1000');
  await daemon.ok('exec', 'branched', 'sh', '-c', 'until test -p /ready; do :; done');
  await daemon.ok('create', '--net', 'none', '--name', 'other', 'busybox', 'true');
  const { json } = await daemon.api('GET', '/coracle/containers/branched/explain');
  const { Branches } = json as { readonly Branches: BranchesReply };
  const { CopiedUp, Readonly, SavedBytes, Writable } = Branches;
  assert.equal(Branches.Driver, 'overlay2');
  assert.match(Writable.Path, /\/upper$/);
  assert.equal(CopiedUp.Files, 1);
  assert.deepEqual(
    CopiedUp.Largest.map(({ Path }) => Path),
    ['/etc/passwd'],
  );
  assert.deepEqual(
    Readonly.map(({ Others }) => Others),
    [1],
  );
  const layers = Readonly.reduce((sum, { Bytes }) => sum + Bytes, 0);
  assert.equal(SavedBytes, layers - CopiedUp.Bytes);
  await daemon.ok('rm', '-f', 'branched', 'other');
});
