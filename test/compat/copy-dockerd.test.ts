// The same copies, exports, diffs and commits asked of a real dockerd and of us: what a client sees
// is compared, but for what docs/compat.md lists as a difference.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { decodeTar } from '#tar/decode.ts';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { type Dockerd, findDockerd, startDockerd } from '../../bench/dockerd.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

let skip = cannotRun();
if (skip === false && findDockerd() === undefined) skip = 'needs dockerd';
let scratch: string;
let daemon: Daemon;
let dockerd: Dockerd | undefined;

const SETUP = [
  'mkdir -p /d/sub; echo hi > /d/f; ln /d/f /d/g; ln -s f /d/l; ln -s /d /dl; ln -s /nowhere /dang',
  'mkfifo /d/fifo; mknod /d/node c 1 3; chmod 4755 /d/f; chown 1000:2000 /d/sub',
  'touch -d "2020-01-02 03:04:05" /d/f; rm /bin/wget; rm -rf /var/spool; echo z >> /etc/group',
  'rm -rf /home && mkdir /home && touch /home/x; chmod 644 /etc/passwd; touch /tmp/x; rm /tmp/x',
].join('; ');

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('compare-');
  const directories = { directory: join(scratch, 'dockerd'), execRoot: join(scratch, 'exec') };
  [daemon, dockerd] = await Promise.all([
    startDaemon(),
    startDockerd(directories, join(ROOT, 'dist/busybox.tar')),
  ]);
  assert.ok(dockerd !== undefined, readLog());
  const run = [
    'run',
    '--net',
    'none',
    '--name',
    'seen',
    '-v',
    '/data',
    'busybox',
    'sh',
    '-c',
    SETUP,
  ];
  for (const side of sides()) docker(side, ...run);
});
after(async () => {
  if (skip !== false) return;
  await dockerd?.[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
});

function readLog(): string {
  return readFileSync(join(scratch, 'dockerd/dockerd.log'), 'utf8').slice(-2000);
}

/** Sockets: first the real one. */
function sides(): readonly [string, string] {
  return [dockerd?.socket ?? '', daemon.engine.socket];
}

type Said = { readonly code: number; readonly out: string; readonly err: string };

function docker(socket: string, ...argv: readonly string[]): Said {
  try {
    const env = { ...process.env, DOCKER_HOST: `unix://${socket}` };
    const out = execFileSync('docker', argv, { env, stdio: 'pipe', timeout: 30_000, cwd: scratch });
    return { code: 0, out: out.toString(), err: '' };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: Buffer; stderr: Buffer };
    // What the client itself logs when the daemon refuses in the middle of its upload.
    const err = stderr.toString().replace(/^time=.*\n/gm, '');
    return { code: status, out: stdout.toString(), err };
  }
}

type Answer = {
  readonly status: number;
  readonly stat: unknown;
  readonly type: unknown;
  readonly body: Buffer;
};

async function ask(
  socketPath: string,
  method: string,
  path: string,
  items?: readonly EncodeItem[],
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { 'Content-Type': 'application/x-tar' };
  const asked = request({ socketPath, method, path: `/v1.41${path}`, headers }, (reply) => {
    const header = reply.headers['x-docker-container-path-stat'];
    const stat: unknown =
      header === undefined
        ? undefined
        : JSON.parse(Buffer.from(String(header), 'base64').toString());
    buffer(reply).then(
      (body) =>
        resolve({ status: reply.statusCode ?? 0, stat, type: reply.headers['content-type'], body }),
      reject,
    );
  });
  asked.on('error', reject);
  if (items === undefined) asked.end();
  else Readable.from(encodeTar(items)).pipe(asked);
  return promise;
}

const archive = (path: string): string =>
  `/containers/seen/archive?path=${encodeURIComponent(path)}`;

/** What a tar says of its entries, but for times of today. */
async function entriesOf(body: Buffer): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const entry of decodeTar(Readable.from([body]))) {
    const { path, kind, mode, uid, gid, size, linkPath, major, minor, mtime } = entry;
    const time = mtime < 1_600_000_000n * 1_000_000_000n ? mtime / 1_000_000_000n : 'today';
    const raw = [
      kind,
      mode.toString(8),
      `${uid}:${gid}`,
      size,
      `${major},${minor}`,
      linkPath,
      time,
    ];
    lines.push(`${path} ${raw.join(' ')}`);
  }
  return lines;
}

test('the stat of a path is the same, and so is its absence', { skip }, async () => {
  const paths = [
    '/d',
    '/d/',
    '/d/.',
    '/d/f',
    '/d/l',
    '/dl',
    '/dl/',
    '/dl/.',
    '/dang',
    '/',
    '.',
    'd/f',
    '/d/node',
    '/d/fifo',
    '/data',
    '../../d',
    '/dang/',
    '/nope',
    '/nope/x',
  ];
  for (const path of paths) {
    const shown = async (socket: string): Promise<unknown> => {
      const { status, stat } = await ask(socket, 'HEAD', archive(path));
      return {
        status,
        stat: {
          ...(stat as object),
          mtime: path === '/d/f' ? (stat as { mtime: string }).mtime : '',
        },
      };
    };
    const [theirs, ours] = sides();
    assert.deepEqual(await shown(ours), await shown(theirs), path);
  }
});

test('an archive has the same entries, or the refusal the same words', { skip }, async () => {
  const paths = [
    '/d',
    '/d/.',
    '/d/f',
    '/d/l',
    '/dl',
    '/dl/',
    '/dang',
    '/d/fifo',
    '/data',
    '/nope',
    '/home',
  ];
  for (const path of paths) {
    const shown = async (socket: string): Promise<unknown> => {
      const { status, type, body } = await ask(socket, 'GET', archive(path));
      return { status, type, body: status === 200 ? await entriesOf(body) : body.toString() };
    };
    const [theirs, ours] = sides();
    assert.deepEqual(await shown(ours), await shown(theirs), path);
  }
});

test('the bytes of a header are those of dockerd, but for the names of owners', {
  skip,
}, async () => {
  const header = async (socket: string): Promise<string> => {
    const head = (await ask(socket, 'GET', archive('/d/f'))).body.subarray(0, 512);
    head.fill(0, 148, 156); // the checksum follows from the rest
    head.fill(0, 265, 329);
    return head.toString('latin1');
  };
  const [theirs, ours] = sides();
  assert.equal(await header(ours), await header(theirs));
});

test('diff lists the same', { skip }, () => {
  const [theirs, ours] = sides().map((socket) =>
    docker(socket, 'diff', 'seen').out.trim().split('\n').toSorted(),
  );
  assert.deepEqual(ours, theirs);
  assert.ok(
    ours?.includes('D /bin/wget') && ours.includes('A /home/x') && ours.includes('C /etc/group'),
  );
});

test('what is unpacked, and refused, is the same', { skip }, async () => {
  const file = (path: string): EncodeItem => ({
    kind: 'file',
    path,
    mode: 0o640,
    uid: 12,
    gid: 34,
    size: 1,
    body: Buffer.from('x'),
  });
  const cases: readonly (readonly [string, string, readonly EncodeItem[]])[] = [
    ['/tmp', '', [file('a/b/c'), { kind: 'dir', path: 'e', mode: 0o1770 }]],
    ['/nope', '', [file('x')]],
    ['/etc/passwd', '', [file('x')]],
    ['/tmp', '&noOverwriteDirNonDir=1', [file('e')]],
    ['/tmp', '&noOverwriteDirNonDir=1', [{ kind: 'dir', path: 'a/b/c', mode: 0o755 }]],
    ['/tmp', '', [file('e')]],
    ['/tmp', '', [file('../x')]],
    ['/tmp', '', [{ kind: 'link', path: 'h', linkPath: '../etc/passwd', mode: 0o644 }]],
  ];
  for (const [path, more, items] of cases) {
    const shown = async (socket: string): Promise<unknown> => {
      const { status, body } = await ask(socket, 'PUT', `${archive(path)}${more}`, items);
      // Docker's newer versions leave the first part out, as we do.
      const text = body
        .toString()
        .replace(/Error processing tar file\(exit status 1\): /, '')
        .trim();
      return { done: status === 200, text };
    };
    const [theirs, ours] = sides();
    assert.deepEqual(await shown(ours), await shown(theirs), `${path} ${more} ${items[0]?.path}`);
  }
  const [theirs, ours] = sides();
  const listed = async (socket: string) =>
    entriesOf((await ask(socket, 'GET', archive('/tmp'))).body);
  assert.deepEqual(await listed(ours), await listed(theirs));
});

test('an export has the same entries, but for the files that are bound over', {
  skip,
}, async () => {
  const shown = async (socket: string): Promise<readonly string[]> => {
    const { type, body } = await ask(socket, 'GET', '/containers/seen/export');
    assert.equal(type, 'application/octet-stream');
    return (await entriesOf(body)).filter(
      (line) => !/^(etc\/(host|resolv)|dev\/|\.dockerenv)/.test(line),
    );
  };
  const [theirs, ours] = sides();
  assert.deepEqual(await shown(ours), await shown(theirs));
});

test('a commit makes an image that says and holds the same', { skip }, () => {
  const made = sides().map((socket) => {
    const argv = [
      '-a',
      'Me <me@x>',
      '-m',
      'note',
      '-c',
      'ENV A=b',
      '-c',
      'CMD ["echo","hi"]',
      'seen',
      'made:1',
    ];
    assert.match(docker(socket, 'commit', ...argv).out, /^sha256:[0-9a-f]{64}\n$/);
    const format =
      '{{.Author}}|{{.Comment}}|{{.Config.Env}}|{{.Config.Cmd}}|{{.Config.Volumes}}|{{len .RootFS.Layers}}';
    const inspected = docker(socket, 'inspect', '-f', format, 'made:1').out;
    const history = docker(
      socket,
      'history',
      '--no-trunc',
      '--format',
      '{{.CreatedBy}}|{{.Comment}}',
      'made:1',
    ).out;
    const check =
      'find /d /home /var /etc | sort; stat -c "%n %u %g %a %h %s" /d/f /d/g /d/sub /home; tail -1 /etc/group; ls /bin/wget';
    const inside = docker(socket, 'run', '--rm', '--net', 'none', 'made:1', 'sh', '-c', check);
    return { inspected, history, inside: inside.out, code: inside.code };
  });
  assert.deepEqual(made[1], made[0]);
  const refusals = [
    ['nope', 'x'],
    ['seen', 'BAD NAME'],
    ['-c', 'FOO bar', 'seen', 'x'],
    ['-c', 'ENV', 'seen', 'x'],
  ].map((argv) => sides().map((socket) => docker(socket, 'commit', ...argv)));
  for (const [theirs, ours] of refusals) assert.deepEqual(ours, theirs);
});

test('docker cp ends the same in each case of files, directories and links', { skip }, () => {
  const at = join(scratch, 'local');
  mkdirSync(join(at, 'dir/sub'), { recursive: true });
  writeFileSync(join(at, 'file'), 'hello');
  writeFileSync(join(at, 'dir/sub/in'), 'in');
  symlinkSync('dir', join(at, 'link'));
  const cases = [
    ['local/file', 'seen:/tmp/new'],
    ['local/file', 'seen:/tmp/nodir/'],
    ['local/dir', 'seen:/tmp/copy'],
    ['local/dir', 'seen:/tmp/copy'],
    ['local/dir/.', 'seen:/tmp/flat'],
    ['local/dir', 'seen:/etc/passwd'],
    ['local/missing', 'seen:/tmp'],
    ['local/file', 'seen:/nope/x'],
    ['local/file', 'seen:/dl'],
    ['local/file', 'seen:/d/node'],
    ['local/link', 'seen:/tmp/link'],
    ['-L', 'local/link', 'seen:/tmp/followed'],
    ['seen:/nope', 'local'],
    ['seen:/d/f', 'local/nodir/x'],
    ['seen:/etc', 'local/file'],
    ['seen:/d/f', '-'],
    ['nobody:/x', 'local'],
  ];
  for (const argv of cases) {
    const [theirs, ours] = sides().map((socket) => {
      const { code, err } = docker(socket, 'cp', ...argv);
      return { code, err };
    });
    assert.deepEqual(ours, theirs, argv.join(' '));
  }
  const [theirs, ours] = sides().map((socket) =>
    docker(socket, 'diff', 'seen').out.trim().split('\n').toSorted(),
  );
  assert.deepEqual(ours, theirs);
});
