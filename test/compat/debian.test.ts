// A real distribution: Debian as mmdebstrap makes it, imported by the docker CLI, used by a person
// at a terminal and by programs that do what administrators do.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { archiveOf, SYSTEM } from '../fixture/debian.ts';
import { Terminal } from './terminal.ts';

const run = promisify(execFile);

const LISTING_BYTES_MAX = 64 * 1024 * 1024;
const UNPACKED_BYTES_MIN = 100_000_000;
const IMAGE = 'debian:bookworm';

/** Perl without an apostrophe: tells each new size (ioctl_tty(2), TIOCGWINSZ) until ^C. */
const LISTENER = [
  '$SIG{WINCH} = sub { ioctl STDIN, 0x5413, my $w = pack "x8"; print join(" ", unpack "SS", $w), "\\n" };',
  '$SIG{INT} = sub { print "interrupted\\n"; exit 9 };',
  'print "up\\n"; sleep 1 while 1',
].join(' ');

const skip = cannotRun() || lacksProgram('mmdebstrap') || lacksProgram('script');
let daemon: Daemon;
let archive = '';
/** Why there is no Debian here, though the programs are there: no mirror, as a rule. */
let noDebian: string | undefined;

function lacksProgram(name: string): string | false {
  return spawnSync(name, ['--version']).status === 0 ? false : `needs ${name}`;
}

before(async () => {
  if (skip !== false) return;
  try {
    archive = await archiveOf(SYSTEM);
  } catch (error) {
    noDebian = `mmdebstrap could not make a root file system: ${String(error).trim().replaceAll('\n', '; ')}`;
    return;
  }
  daemon = await startDaemon();
  const id = await daemon.ok(
    ...['import', '--change', 'CMD ["/bin/bash"]', '--change', 'ENV LANG=C.UTF-8 PLACE=harbour'],
    ...['--change', 'WORKDIR /root', '--message', 'bookworm', archive, IMAGE],
  );
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

function debianTest(name: string, body: (t: TestContext) => Promise<void>): void {
  test(name, { skip }, async (t) => (noDebian === undefined ? await body(t) : t.skip(noDebian)));
}

/** What a script prints inside a running container; it must succeed. */
const bash = (name: string, script: string): Promise<string> =>
  daemon.ok('exec', name, 'bash', '-c', script);

debianTest('a Debian of 100 MB or more is imported whole, with its changes', async () => {
  const format = '{{.Size}} {{json .Config.Cmd}} {{.Config.WorkingDir}} {{.Comment}}';
  const shown = await daemon.ok('image', 'inspect', '-f', format, IMAGE);
  const [size = '', ...rest] = shown.split(' ');
  assert.ok(Number(size) >= UNPACKED_BYTES_MIN, `${size} bytes`);
  assert.ok(Number(size) <= (await stat(archive)).size, 'content is less than its archive');
  assert.equal(rest.join(' '), '["/bin/bash"] /root bookworm');
  const env = await daemon.ok('image', 'inspect', '-f', '{{json .Config.Env}}', IMAGE);
  assert.deepEqual(JSON.parse(env).toSorted(), ['LANG=C.UTF-8', 'PLACE=harbour']);
});

debianTest('a person works in its bash by a terminal: keys, size, signals, exit code', async () => {
  const prompt = /root@deck:~# /;
  const command = `docker run --rm -it --name term --hostname deck ${IMAGE}`;
  await using terminal = await Terminal.open(command, { rows: 24, cols: 200 }, daemon.engine.env);
  await terminal.until(/root@deck:~# $/);
  const ask = (line: string): Promise<string> => terminal.ask(line, prompt);
  assert.equal(await ask('tty'), '/dev/pts/0');
  assert.equal(await ask('stty size'), '24 200');
  assert.equal(await ask('echo $PLACE $TERM $((6 * 7)) $$'), 'harbour xterm 42 1');
  assert.equal(await ask('false; echo $?'), '1');
  assert.equal(await ask('cat /etc/debian_version | cut -d. -f1'), '12');
  assert.equal(await ask('nosuchcommand'), 'bash: nosuchcommand: command not found');
  // A program in the foreground hears of each new size, and of the interrupt key.
  terminal.press(`perl -e '${LISTENER}'\r`);
  await terminal.until(/^up\n/m);
  await terminal.resize({ rows: 40, cols: 132 });
  await terminal.until(/^40 132\n/m);
  terminal.press('\x03');
  await terminal.until(/interrupted\nroot@deck:~# $/);
  assert.equal(await ask('echo $?'), '9');
  assert.equal(await ask('stty size'), '40 132');
  // Job control: bash leads a session on this terminal, or it would have no jobs.
  await ask('sleep 1000 &');
  assert.match(await ask('jobs'), /^\[1\]\+ +Running +sleep 1000 &$/);
  assert.match(await ask('dpkg -l | tail -1'), /^ii +zlib1g/);
  terminal.press('exit 7\r');
  assert.equal(await terminal.exitCode(), 7);
  assert.equal(await daemon.ok('ps', '-aq', '--filter', 'name=term'), '');
});

debianTest('the work of an administrator runs inside: dpkg, find, tar, apt, su, perl', async () => {
  await daemon.ok('run', '-d', '--name', 'work', IMAGE, 'sleep', 'infinity');
  const installed = Number(await bash('work', 'dpkg -l | grep -c ^ii'));
  assert.ok(installed > 70, `${installed} packages`);
  // Every file has the content that its package says, so the import lost and broke nothing.
  assert.equal(await bash('work', 'dpkg --verify; echo $?'), '0');
  const listing = await run('tar', ['-tvf', archive], { maxBuffer: LISTING_BYTES_MAX });
  const members = listing.stdout.match(/^[-h].* \.\/usr\//gm)?.length;
  assert.equal(Number(await bash('work', 'find /usr -xdev -type f | wc -l')), members);
  const files = Number(await bash('work', 'find / -xdev -type f | wc -l'));
  assert.ok(files > (members ?? 0), `${files} files`);
  const share = Number(await bash('work', 'tar -C / -cf - usr/share | wc -c'));
  assert.ok(share > 10_000_000, `${share} bytes of /usr/share`);
  assert.match(await bash('work', 'apt-get --version'), /^apt \d+\.\d+/);
  assert.equal(await bash('work', 'su games -s /bin/bash -c "id -un; id -u"'), 'games\n5');
  assert.equal(await bash('work', `perl -e 'print join(",", map { $_ ** 2 } 1 .. 4)'`), '1,4,9,16');
  const setuid = 'stat -c "%a %U" /usr/bin/passwd; stat -c "%a %G" /usr/bin/chage';
  assert.equal(await bash('work', setuid), '4755 root\n2755 shadow');
  await daemon.ok('rm', '-f', 'work');
});

debianTest('a package is built, installed by apt, used and removed again', async () => {
  await daemon.ok('run', '-d', '--name', 'pack', IMAGE, 'sleep', 'infinity');
  const build = `set -e
    mkdir -p p/DEBIAN p/usr/local/bin
    printf '%s\\n' 'Package: greet' 'Version: 1' 'Architecture: all' \\
      'Maintainer: A <a@example.org>' 'Description: says hello' > p/DEBIAN/control
    printf '%s\\n' '#!/bin/sh' 'echo hello from a package' > p/usr/local/bin/greet
    chmod 755 p/usr/local/bin/greet
    dpkg-deb --build p /tmp/greet.deb`;
  await bash('pack', build);
  const installed = await daemon.docker(
    ...['exec', 'pack', 'apt-get', 'install', '-y', '/tmp/greet.deb'],
  );
  assert.equal(installed.code, 0, installed.stderr);
  assert.match(installed.stdout, /Setting up greet \(1\)/);
  assert.equal(await daemon.ok('exec', 'pack', 'greet'), 'hello from a package');
  assert.equal(await bash('pack', 'dpkg -s greet | grep ^Status'), 'Status: install ok installed');
  await bash('pack', 'apt-get purge -y greet');
  assert.equal((await daemon.docker('exec', 'pack', 'greet')).code, 127);
  await daemon.ok('rm', '-f', 'pack');
});

debianTest('containers of one image share its layer and do not see what others write', async () => {
  const lower = async (name: string): Promise<string> =>
    await daemon.ok('inspect', '-f', '{{.GraphDriver.Data.LowerDir}}', name);
  const upper = async (name: string): Promise<string> =>
    await daemon.ok('inspect', '-f', '{{.GraphDriver.Data.UpperDir}}', name);
  for (const name of ['one', 'two']) {
    await daemon.ok('run', '-d', '--name', name, IMAGE, 'sleep', 'infinity');
  }
  assert.equal(await lower('one'), await lower('two'));
  assert.notEqual(await upper('one'), await upper('two'));
  const layer = (await lower('one')).split(':').at(-1) ?? '';
  assert.ok(existsSync(join(layer, 'etc/debian_version')), layer);
  await bash('one', 'echo mine > /root/new; echo changed > /etc/debian_version; rm -r /usr/share');
  assert.equal(await bash('one', 'cat /root/new /etc/debian_version'), 'mine\nchanged');
  assert.equal(await bash('one', 'ls -d /usr/share 2>&1 | grep -c "No such file"'), '1');
  const look = 'ls /root; cut -d. -f1 /etc/debian_version; ls -d /usr/share';
  assert.equal(await bash('two', look), '12\n/usr/share');
  assert.equal(await daemon.ok('run', '--rm', IMAGE, 'bash', '-c', look), '12\n/usr/share');
  // What a container wrote outlives a restart, and goes with it.
  await daemon.ok('restart', '-t', '0', 'one');
  assert.equal(await bash('one', 'cat /root/new'), 'mine');
  await daemon.ok('rm', '-f', 'one', 'two');
});
