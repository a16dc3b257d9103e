// Volumes as a user of the docker CLI has them, and our command line beside docker's: the same
// words print the same text and end with the same code. Texts were compared with dockerd's.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';
import { dir, file, tar } from '../fixture/archive.ts';

const skip = cannotRun();
const OURS = join(ROOT, 'bin/coracle');
let daemon: Daemon;
let place: string;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon(['--bridge', 'none']);
  place = join(daemon.engine.directory, 'host');
  mkdirSync(place);
  writeFileSync(join(place, 'f'), 'host\n');
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

const ours = (...words: string[]): Promise<Result> => daemon.run([OURS, ...words]);

/** Output of a shell in a busybox container. */
function sh(script: string, ...options: string[]): Promise<string> {
  return daemon.ok('run', '--rm', ...options, 'busybox', 'sh', '-c', script);
}

async function refused(argv: readonly string[], code: number, text: string): Promise<void> {
  const result = await daemon.docker(...argv);
  assert.equal(result.code, code, `${argv.join(' ')}: ${result.stderr}`);
  assert.ok(result.stderr.includes(text), `${argv.join(' ')}: ${result.stderr}`);
}

/** What the kernel has mounted below the volumes of the engine. */
function mounted(): string[] {
  const volumes = join(daemon.engine.directory, 'data/volumes/');
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${volumes}`));
}

const CREATE: readonly (readonly [options: string, text: string])[] = [
  ['-o device=/tmp x1', 'create x1: missing required option: "type"'],
  ['-o type=tmpfs x1', 'create x1: missing required option: "device"'],
  ['-o o=uid=1 x1', 'create x1: missing required option: "device"'],
  ['-o foo=bar x1', 'create x1: invalid option: "foo"'],
  ['-o size=abc x1', "create x1: invalid size: 'abc'"],
  ['-o size=1k x1', "create x1: invalid size: '1k': it is from 4m to 16t"],
  ['-o size=1g -o type=tmpfs -o device=t x1', 'conflicting options: size and type'],
  ['-o type=nfs -o device=:/e x1', 'missing mount option for type "nfs": o=addr=SERVER'],
  ['-o type=cifs -o device=share x1', 'invalid device for type "cifs": "share"'],
  ['-o type=none -o device=/tmp -o o=bind,shared x1', 'propagation belongs to the mount'],
  ['-d nosuch x1', 'create x1: error looking up volume plugin nosuch: plugin "nosuch" not found'],
  ['a', 'create a: volume name is too short, names should be at least two alphanumeric'],
  ['a/b', 'create a/b: "a/b" includes invalid characters for a local volume name'],
];

test('a volume that cannot be is refused when it is made, with what to change', {
  skip,
}, async () => {
  for (const [options, text] of CREATE) {
    await refused(['volume', 'create', ...options.split(' ')], 1, text);
  }
  await refused(['volume', 'rm', 'nosuch'], 1, 'get nosuch: no such volume');
  assert.equal(await daemon.ok('volume', 'rm', '-f', 'nosuch'), 'nosuch');
  const update = await daemon.api('PUT', '/volumes/nosuch?version=1', {});
  assert.equal(update.status, 404);
});

const MOUNTS: readonly (readonly [options: string, code: number, text: string])[] = [
  [
    '-o type=none -o o=bind -o device=/no',
    127,
    '/no:DATA, flags: 0x1000: no such file or directory',
  ],
  ['-o type=none -o device=/tmp', 125, 'mount /tmp:DATA: no such device'],
  ['-o type=tmpfs -o device=t -o o=bogus', 125, 'mount t:DATA, data: bogus: invalid argument'],
  ['-o type=nosuch -o device=t -o o=ro,a=b', 125, 'flags: 0x1, data: a=b: no such device'],
  ['-o type=nfs -o device=:/e -o o=addr=no.such.invalid', 125, 'lookup no.such.invalid: no such'],
];

test('what its options name is mounted by the first container, or dockerd’s words say why not', {
  skip,
}, async () => {
  const path = join(daemon.engine.directory, 'data/volumes/bad/_data');
  for (const [options, code, text] of MOUNTS) {
    await daemon.ok('volume', 'create', ...options.split(' '), 'bad');
    const run = await daemon.docker('run', '--rm', '-v', 'bad:/d', 'busybox', 'true');
    const said = run.stderr.replaceAll(path, 'DATA');
    assert.match(said, /error while mounting volume 'DATA': /);
    assert.ok(said.includes(text), said);
    assert.equal(run.code, code, said);
    await daemon.ok('volume', 'rm', 'bad');
  }
  assert.deepEqual(mounted(), []);
});

test('a tmpfs volume is one for all that use it, and gone with the last', { skip }, async () => {
  const options = ['-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=3m,uid=7,noexec'];
  await daemon.ok('volume', 'create', ...options, 'mem');
  await daemon.ok('run', '-d', '--name', 'one', '-v', 'mem:/d', 'busybox', 'sleep', '1000');
  assert.equal(
    await sh('stat -c %u /e; echo hi > /e/f; df -m /e | awk "NR==2{print \\$2}"', '-v', 'mem:/e'),
    '7\n3',
  );
  assert.equal(await daemon.ok('exec', 'one', 'cat', '/d/f'), 'hi');
  await daemon.ok('run', '-d', '--name', 'two', '-v', 'mem:/d:ro', 'busybox', 'sleep', '1000');
  await daemon.ok('rm', '-f', 'one');
  assert.equal(await daemon.ok('exec', 'two', 'cat', '/d/f'), 'hi');
  assert.equal(mounted().length, 1);
  await refused(['volume', 'rm', 'mem'], 1, 'remove mem: volume is in use - [');
  await daemon.ok('rm', '-f', 'two');
  assert.deepEqual(mounted(), []);
  assert.equal(await sh('ls /d', '-v', 'mem:/d'), '');
  await daemon.ok('volume', 'rm', 'mem');
});

test('a bind volume shows a directory of the host, read-only if its options say so', {
  skip,
}, async () => {
  const options = ['-o', 'type=none', '-o', `device=${place}`, '-o', 'o=bind,ro'];
  await daemon.ok('volume', 'create', ...options, 'host');
  assert.equal(
    await sh('cat /d/f; touch /d/x 2>&1 || true', '-v', 'host:/d'),
    'host\ntouch: /d/x: Read-only file system',
  );
  assert.deepEqual(mounted(), []);
  assert.equal(await daemon.ok('volume', 'prune', '-a', '-f'), 'Total reclaimed space: 0B');
  await daemon.ok('volume', 'rm', 'host');
});

test('--volumes-from gives the mounts of others, read-only if wanted, and own ones win', {
  skip,
}, async () => {
  const from = ['-v', 'shared:/data', '-v', `${place}:/host:ro`, '--tmpfs', '/mine', '-v', '/anon'];
  await daemon.ok('create', '--name', 'donor', ...from, 'busybox');
  await sh('echo hi > /data/f', '--volumes-from', 'donor');
  await daemon.ok('create', '--name', 'chain', '--volumes-from', 'donor:ro', 'busybox');
  const look = 'cat /data/f /host/f; ls -d /mine /anon 2>&1; touch /data/x 2>&1 || true';
  assert.equal(
    await sh(look, '--volumes-from', 'chain'),
    'hi\nhost\nls: /mine: No such file or directory\n/anon\ntouch: /data/x: Read-only file system',
  );
  assert.equal(await sh('ls /data', '--volumes-from', 'donor', '-v', 'other:/data'), '');
  const json = await daemon.ok('inspect', '-f', '{{json .Mounts}}', 'chain');
  const mounts = JSON.parse(json) as { Destination: string; Mode: string; RW: boolean }[];
  assert.deepEqual(
    mounts.map(({ Mode, RW }) => [Mode, RW]),
    [
      ['', false],
      ['', false],
      ['', false],
    ],
  );
  const run = ['run', '--rm', '--volumes-from'];
  await refused([...run, 'donor:bad', 'busybox'], 125, 'invalid mode: bad');
  await refused([...run, 'donor:nocopy', 'busybox'], 125, 'invalid mode: nocopy');
  await refused([...run, 'nosuch', 'busybox'], 125, 'No such container: nosuch');
  // The last one takes the anonymous volume along.
  await daemon.ok('rm', '-v', 'donor');
  assert.equal((await daemon.ok('volume', 'ls', '-q')).split('\n').length, 3);
  await daemon.ok('rm', '-v', 'chain');
  assert.equal(await daemon.ok('volume', 'ls', '-q'), 'other\nshared');
  await daemon.ok('volume', 'rm', 'other', 'shared');
});

test('a subpath is found inside of its volume, whatever links lead out', { skip }, async () => {
  const links =
    'mkdir -p /v/a/b; echo x > /v/a/b/f; ln -s /a/b /v/in; ln -s ../../../../etc /v/out';
  await sh(links, '-v', 'sub:/v');
  const mount = (path: string): string => `type=volume,src=sub,dst=/d,volume-subpath=${path}`;
  assert.equal(await sh('ls /d', '--mount', mount('a/b')), 'f');
  assert.equal(await sh('ls /d', '--mount', mount('in')), 'f');
  assert.equal(await sh('cat /d', '--mount', mount('a/b/f')), 'x');
  for (const path of ['out', 'nope']) {
    const run = ['run', '--rm', '--mount', mount(path), 'busybox', 'true'];
    await refused(run, 127, `volumes/sub/_data/${path}: no such file or directory`);
  }
  const outside = 'subpath must be a relative path within the volume';
  await refused(['run', '--rm', '--mount', mount('../x'), 'busybox'], 125, outside);
  await daemon.ok('volume', 'rm', 'sub');
});

test('an image is mounted as a read-only directory, whole or in part, and kept', {
  skip,
}, async () => {
  const archive = await tar([dir('data'), file('data/f', 'in the image\n')]);
  await daemon.run(['docker', 'import', '-', 'content'], { input: archive.toString('latin1') });
  const look = 'cat /i/data/f; touch /i/x 2>&1 || true';
  const said = 'in the image\ntouch: /i/x: Read-only file system';
  assert.equal(await sh(look, '--mount', 'type=image,src=content,dst=/i'), said);
  const part = 'type=image,src=content,dst=/i,image-subpath=data';
  assert.equal(await sh('ls /i', '--mount', part), 'f');
  await daemon.ok('create', '--name', 'keeps', '--mount', part, 'busybox');
  const used = await daemon.docker('rmi', 'content');
  assert.match(used.stderr, /unable to remove repository reference "content"/);
  await daemon.ok('rm', 'keeps');
  await daemon.ok('rmi', 'content');
  const missing = 'type=image,src=nosuch,dst=/i';
  await refused(
    ['run', '--rm', '--mount', missing, 'busybox'],
    125,
    'No such image: nosuch:latest',
  );
});

test('O writes to a top that ends with the container, U gives the volume to its user', {
  skip,
}, async () => {
  const bind = ['-v', `${place}:/b:O`];
  assert.equal(await sh('echo new > /b/f; touch /b/g; ls /b; cat /b/f', ...bind), 'f\ng\nnew');
  assert.equal(readFileSync(join(place, 'f'), 'utf8'), 'host\n');
  const user = ['--user', '1234:99', '-v', 'owned:/u:U'];
  assert.equal(await sh('touch /u/x; stat -c %u:%g /u /u/x', ...user), '1234:99\n1234:99');
  assert.equal(await sh('stat -c %u:%g /u/x', '-v', 'owned:/u:U'), '0:0');
  await daemon.ok('volume', 'rm', 'owned');
});

test('a mapped container and a plain one see the same owners in a volume', { skip }, async () => {
  const run = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await ours('run', '--rm', ...words);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const script = 'touch /v/a; chown 5:6 /v/a; stat -c %u:%g /v /v/a';
  const mapped = ['--userns', 'auto', '-v', 'ids:/v', 'busybox', 'sh', '-c', script];
  assert.equal(await run(...mapped), '0:0\n5:6\n');
  assert.equal(await sh('stat -c %u:%g /v/a', '-v', 'ids:/v'), '5:6');
  const stat = ['busybox', 'stat', '-c', '%u', '/b/f'];
  assert.equal(await run('--userns', 'auto', '-v', `${place}:/b`, ...stat), '65534\n');
  assert.equal(await run('--userns', 'auto', '-v', `${place}:/b:idmap`, ...stat), '0\n');
  const plain = ['run', '--rm', '-v', `${place}:/b:idmap`, 'busybox', 'true'];
  await refused(plain, 125, 'idmap shifts owners by a user namespace');
  await daemon.ok('volume', 'rm', 'ids');
});

/** Each is run by docker with the names d1, d2 and by ours with o1, o2; # is the letter. */
const SAME: readonly string[] = [
  'volume create #1',
  'volume create #1',
  'volume create --label of=# -o type=tmpfs -o device=t #2',
  'volume create -o foo=bar #x',
  'volume inspect #2 -f {{.Name}}:{{.Options.type}}:{{.Labels.of}}',
  'volume ls -q -f name=#1',
  'volume ls -f name=#',
  'volume ls -f label=of=# --format {{.Name}}~{{.Driver}}~{{.Scope}}~{{.Labels}}~{{.Size}}',
  'volume ls -f name=#1 --format json',
  'volume ls -f foo=bar',
  'volume ls -f dangling=maybe',
  'volume inspect #1 missing -f {{.Name}}',
  'create --name #c -v #1:/d busybox',
  'volume ls -q -f name=# -f dangling=true',
  'volume rm #1 missing #2',
  'rm #c',
  'volume prune -f',
  'volume prune -f -a --filter label=of=#',
  'volume remove #1',
  'volume rm -f #1',
  'system df --format {{.Type}}~{{.TotalCount}}~{{.Active}}',
];

test('volume commands print and end as docker’s do', { skip }, async () => {
  for (const line of SAME) {
    const as = (letter: string): string[] =>
      line.split(' ').map((word) => word.replaceAll('#', letter).replaceAll('~', ' '));
    const plain = ({ code, stdout, stderr }: Result, letter: string) => {
      const text = (one: string): string =>
        one
          .replaceAll(/\b[0-9a-f]{64}\b/g, 'ID')
          .replaceAll(new RegExp(`\\b${letter}(?=[12xc]?\\b)`, 'g'), '#');
      return { code, stdout: text(stdout), stderr: text(stderr).replaceAll('coracle', 'docker') };
    };
    const theirs = plain(await daemon.docker(...as('d')), 'd');
    assert.deepEqual(plain(await ours(...as('o')), 'o'), theirs, line);
  }
});

test('events tell who mounts which volume where', { skip }, async () => {
  const since = String(Date.now() / 1000);
  await daemon.ok('run', '--rm', '--name', 'ev', '-v', 'told:/d:ro', 'busybox', 'true');
  await daemon.ok('volume', 'rm', 'told');
  const words = ['--since', since, '--until', String(Date.now() / 1000 + 0.001)];
  const format = '{{.Action}} {{.Actor.ID}} {{index .Actor.Attributes "destination"}}';
  const events = await daemon.ok('events', ...words, '--filter', 'type=volume', '--format', format);
  assert.deepEqual(
    events.split('\n').map((line) => line.trim()),
    ['create told', 'mount told /d', 'unmount told', 'destroy told'],
  );
});

test('a bind passes mounts on where its mount is shared, and is refused where not', {
  skip,
}, async () => {
  const at = join(place, 'm');
  const bind = (how: string): string[] => ['-v', `${at}:/m:${how}`];
  mkdirSync(at);
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', at]);
  try {
    execFileSync('mount', ['--make-private', at]);
    for (const [how, kind] of [
      ['shared', 'shared'],
      ['rslave', 'shared or slave'],
    ] as const) {
      const text = `path ${at} is mounted on ${at} but it is not a ${kind} mount`;
      await refused(['run', '--rm', ...bind(how), 'busybox', 'true'], 125, text);
    }
    execFileSync('mount', ['--make-shared', at]);
    await daemon.ok('run', '-d', '--name', 'follows', ...bind('rslave'), 'busybox', 'sleep', '99');
    mkdirSync(join(at, 'in'));
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(at, 'in')]);
    const seen = await daemon.ok('exec', 'follows', 'sh', '-c', 'grep -c " /m/in " /proc/mounts');
    assert.equal(seen.trim(), '1');
    const mount = 'mkdir /m/out; mount -t tmpfs tmpfs /m/out; touch /m/out/file';
    await sh(mount, '--privileged', ...bind('rshared'));
    assert.ok(existsSync(join(at, 'out/file')));
  } finally {
    await daemon.docker('rm', '-f', 'follows');
    execFileSync('umount', ['-R', at]);
  }
});
