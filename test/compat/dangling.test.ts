// A root file system of a whole machine: /etc/resolv.conf there is a link into /run, which leads
// nowhere in a container. dockerd puts files in the place of such links; so do we.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const STUB = '../run/systemd/resolve/stub-resolv.conf';
let daemon: Daemon;
let scratch: string;

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('dangling-');
  daemon = await startDaemon();
  const root = join(scratch, 'root');
  for (const path of ['bin', 'etc', 'opt']) mkdirSync(join(root, path), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const path of ['sh', 'cat', 'ls']) symlinkSync('busybox', join(root, 'bin', path));
  symlinkSync(STUB, join(root, 'etc/resolv.conf'));
  symlinkSync('hosts', join(root, 'etc/hosts'));
  symlinkSync('/nowhere/hostname', join(root, 'etc/hostname'));
  symlinkSync('/nowhere/mark', join(root, '.dockerenv'));
  symlinkSync('../opt/real/app.conf', join(root, 'etc/app.conf'));
  const archive = join(scratch, 'root.tar');
  execFileSync('tar', ['-C', root, '-cf', archive, '.']);
  await daemon.ok('import', archive, 'machine');
});
after(async () => {
  if (skip !== false) return;
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
});

test('its files of names are files in the place of links that lead nowhere', { skip }, async () => {
  const script =
    'cat /etc/hostname; head -1 /etc/hosts; cat /etc/resolv.conf; ls -l /etc /.dockerenv';
  for (const more of [['--tmpfs', '/run'], ['--network', 'host'], []]) {
    const own = ['--hostname', 'me', '--dns', '192.0.2.1', ...more];
    const argv = ['busybox', 'sh', '-c', script.replace('head', 'busybox head')];
    const out = await daemon.ok('run', '--rm', ...own, 'machine', ...argv);
    assert.match(out, /^me\n127\.0\.0\.1\slocalhost\n/);
    if (!more.includes('host')) assert.match(out, /nameserver 192\.0\.2\.1/);
    assert.doesNotMatch(out, /(resolv\.conf|hosts|hostname|dockerenv) ->/);
  }
});

test('a container starts again, and its image keeps the links', { skip }, async () => {
  await daemon.ok('run', '--name', 'again', 'machine', 'cat', '/etc/hostname');
  await daemon.ok('start', '-a', 'again');
  await daemon.ok('commit', 'again', 'machine:2');
  assert.match(await daemon.ok('diff', 'again'), /^$/);
  await daemon.ok('cp', 'again:/.dockerenv', join(scratch, 'mark'));
  await daemon.ok('rm', 'again');
});

test('a file is bound to where a link leads that hangs, inside of the root', { skip }, async () => {
  writeFileSync(join(scratch, 'conf'), 'bound\n');
  const bind = ['-v', `${join(scratch, 'conf')}:/etc/app.conf`];
  const script = 'cat /etc/app.conf /opt/real/app.conf';
  const out = await daemon.ok('run', '--rm', ...bind, 'machine', 'sh', '-c', script);
  assert.equal(out, 'bound\nbound');
});

test('a link in a directory of the host at /etc stays there', { skip }, async () => {
  const etc = join(scratch, 'etc');
  mkdirSync(etc);
  symlinkSync(STUB, join(etc, 'resolv.conf'));
  await daemon.ok('run', '--rm', '-v', `${etc}:/etc`, 'machine', 'cat', '/etc/resolv.conf');
  assert.equal(readlinkSync(join(etc, 'resolv.conf')), STUB);
});
