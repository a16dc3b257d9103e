// --build-context: contexts beside the main one, through `coracle build` and the library.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { Engine } from '#library/index.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { contextArchive } from '../fixture/build-client.ts';
import { GitRepository } from '../fixture/git-repository.ts';

const skip = cannotRun();
const PROGRAM = join(ROOT, 'bin/coracle');
const PORT = 8096;
const SERVER = `http://127.0.0.1:${PORT}`;
const MIB = 1024 * 1024;
const LARGE_MIB = 200;
const GROWTH_MIB_MAX = 60;
const parts = new AsyncDisposableStack();
const scratch = mkdtempSync(join(tmpdir(), 'coracle-test-contexts-'));
let daemon: Daemon;

before(async () => {
  if (skip !== false) return;
  daemon = parts.use(await startDaemon());
  files('docs', { 'a.txt': 'docs a\n', 'sub/b': 'docs b\n' });
  files('main', { 'a.txt': 'main a\n' });
});
after(async () => {
  await parts.disposeAsync();
  rmSync(scratch, { recursive: true, force: true });
});

function files(name: string, content: Readonly<Record<string, string>>): string {
  const folder = join(scratch, name);
  for (const [path, text] of Object.entries(content)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const docs = (): string => `docs=${join(scratch, 'docs')}`;

/** With contexts; `steps` end in what is read of the image. */
async function build(contexts: readonly string[], steps: string, ...more: readonly string[]) {
  const said = contexts.flatMap((each) => ['--build-context', each]);
  const flags = ['--network', 'none', '-t', 'made', '--explain', '-f', '-'];
  const argv = [PROGRAM, 'build', ...flags, ...said, ...more, join(scratch, 'main')];
  return await daemon.run(argv, { input: steps });
}

/** What `sh -c` says in the image. */
async function made(contexts: readonly string[], steps: string, script: string): Promise<string> {
  const { code, stderr } = await build(contexts, steps);
  assert.equal(code, 0, stderr);
  return await daemon.ok('run', '--rm', '--network', 'none', 'made', 'sh', '-c', script);
}

async function refused(contexts: readonly string[], steps: string): Promise<string> {
  const { code, stderr } = await build(contexts, steps);
  assert.equal(code, 1, stderr);
  return stderr;
}

test('COPY, RUN and FROM read the files of a directory by its name', { skip }, async () => {
  const copied = await made(
    [docs()],
    'FROM busybox\nCOPY --from=docs . /c/\nCOPY --from=docs /sub/b a*.txt /d/\nCOPY a.txt /own\n',
    'cd /; find c d -type f | sort | xargs cat; cat own; stat -c %u:%g c/a.txt',
  );
  assert.equal(copied, 'docs a\ndocs b\ndocs a\ndocs b\nmain a\n0:0');
  const mounted = await made(
    [docs()],
    'FROM busybox\nRUN --mount=from=docs,target=/m --mount=target=/n cat /m/a.txt /n/a.txt >/x && ! touch /m/y\n',
    'cat /x',
  );
  assert.equal(mounted, 'docs a\nmain a');
  const from = 'FROM docs AS files\nENV X=1\nFROM busybox\nCOPY --from=files / /f/\n';
  assert.equal(await made([docs()], from, 'cd /f; find . -type f | sort'), './a.txt\n./sub/b');
});

test('a name of a context comes before that of a stage or an image', { skip }, async () => {
  const stage = 'FROM busybox AS docs\nRUN false\nFROM busybox\n';
  assert.equal(await made([docs()], `${stage}COPY --from=docs a.txt /x\n`, 'cat /x'), 'docs a');
  assert.equal(await made([docs()], `${stage}COPY --from=0 a.txt /x\n`, 'cat /x'), 'docs a');
  // Unlike what nobody has replaced.
  assert.match(await refused([], `${stage}COPY --from=docs a.txt /x\n`), /non-zero code: 1/);
  const image = ['docker.io/library/nowhere:latest=docker-image://busybox:latest'];
  const steps = 'FROM nowhere\nCOPY --from=nowhere:latest /bin/busybox /copy\n';
  assert.equal(await made(image, steps, 'cmp /copy /bin/busybox && echo same'), 'same');
  const onFiles = [`base=${join(scratch, 'docs')}`, 'empty=docker-image://scratch'];
  const words = 'ARG ON=base\nFROM empty AS one\nFROM $ON\nCOPY a.txt /own\n';
  for (const more of [[], ['--squash']]) {
    const { code, stderr } = await build(onFiles, words, ...more);
    assert.equal(code, 0, stderr);
    const layers = await daemon.ok('inspect', '-f', '{{len .RootFS.Layers}}', 'made');
    assert.equal(layers, more.length === 0 ? '2' : '1');
  }
});

test('a context has its own .dockerignore, and links lead nowhere out of it', {
  skip,
}, async () => {
  const folder = files('ignoring', {
    '.dockerignore': '*.log\nprivate\n',
    'x.log': 'x',
    'private/key': 'x',
    kept: 'kept\n',
  });
  symlinkSync('/etc/hostname', join(folder, 'absolute'));
  symlinkSync('../../docs/a.txt', join(folder, 'above'));
  symlinkSync('kept', join(folder, 'inside'));
  const own = [`own=${folder}`, docs()];
  const all = 'FROM busybox\nCOPY --from=own . /c/\nCOPY --from=own inside /i\n';
  const seen = await made(own, all, 'cd /c; find . ! -type d | sort; readlink above; cat /i');
  const names = ['./.dockerignore', './above', './absolute', './inside', './kept'];
  assert.equal(seen, [...names, '../../docs/a.txt', 'kept'].join('\n'));
  const absent = /-:2\n[\s\S]*COPY failed: file not found in build context or excluded/;
  const cases: readonly (readonly [string, RegExp])[] = [
    ['COPY --from=own absolute /x', absent],
    ['COPY --from=own private/key /x', absent],
    ['COPY --from=own ../docs/a.txt /x', /forbidden path outside the build context/],
    ['RUN --mount=from=own,source=above,target=/x cat /x', /is not in the build context own/],
  ];
  const said = await Promise.all(cases.map(([step]) => refused(own, `FROM busybox\n${step}\n`)));
  for (const [at, [step, why]] of cases.entries()) assert.match(said[at] ?? '', why, step);
});

test('a step is known by what the files of a context are', { skip }, async () => {
  const folder = files('cached', { x: '1', y: '1' });
  const steps = 'FROM busybox\nCOPY --from=c x /x\nRUN --mount=from=c,target=/m cat /m/y >/y\n';
  const hits = async (): Promise<number> => {
    const { code, stderr } = await build([`c=${folder}`], steps);
    assert.equal(code, 0, stderr);
    return (stderr.match(/CACHED/g) ?? []).length;
  };
  assert.equal(await hits(), 0);
  assert.equal(await hits(), 2);
  files('cached', { y: '2' });
  assert.equal(await hits(), 1);
  assert.equal(await daemon.ok('run', '--rm', '--network', 'none', 'made', 'cat', '/y'), '2');
});

test('a git repository is a tree, and any other URL one file, as with buildkit', {
  skip,
}, async () => {
  const repository = new GitRepository(join(scratch, 'r.git'), { 'dir/f': 'one\n', g: 'top\n' });
  repository.git('tag', 'v1');
  repository.commit({ 'dir/f': 'two\n' });
  files('dumb', { 'data.bin': 'from the web\n' });
  const node = [process.execPath, join(ROOT, 'test/fixture/git-server.ts')];
  const argv = [`--net=${daemon.engine.namespace}`, ...node, scratch, String(PORT)];
  const server = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  parts.defer(() => void process.kill(-(server.pid ?? 0), 'SIGKILL'));
  await once(server.stdout, 'data');
  server.stdout.resume();
  const steps = [
    'FROM busybox',
    'COPY --from=src f /f',
    'COPY --from=web data.bin /d',
    'RUN --mount=from=web,target=/w cat /w/data.bin /d >/e',
  ].join('\n');
  const contexts = [`src=${SERVER}/r.git#v1:dir`, `web=${SERVER}/dumb/data.bin`];
  const expected = 'one\nfrom the web\nfrom the web';
  assert.equal(await made(contexts, steps, 'cat /f /e'), expected);
  const missing = await refused([`web=${SERVER}/dumb/none`], 'FROM busybox\nCOPY --from=web . /\n');
  assert.match(missing, /-:2\n[\s\S]*build context web failed: failed to GET .* with status 404/);
  // The main one is elsewhere, and what is sent is the other.
  const remote = new GitRepository(join(scratch, 'main.git'), {
    Dockerfile: 'FROM busybox\nCOPY --from=docs a.txt /\n',
  });
  assert.notEqual(remote.head(), '');
  const how = ['--build-context', docs(), '-t', 'made', `${SERVER}/main.git`];
  const { code, stderr } = await daemon.run([PROGRAM, 'build', ...how]);
  assert.equal(code, 0, stderr);
});

test('what cannot be a context is refused, and one that is not there has its line', {
  skip,
}, async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['docs=/no/such', /failed to get build context docs: path "\/no\/such" not found/],
    [docs().replace('docs', 'Docs'), /invalid context name "Docs": it is written like the name/],
  ];
  for (const [context, why] of cases) assert.match(await refused([context], 'FROM busybox\n'), why);
  const absent = await refused([docs()], 'FROM busybox\nCOPY --from=other a /\n');
  assert.match(absent, /-:2\n[\s\S]*>>> COPY --from=other/);
});

test('the library sends archives, whatever they are compressed with', { skip }, async () => {
  const engine = new Engine({ host: `unix://${daemon.engine.socket}` });
  const Dockerfile = 'FROM base\nCOPY --from=one a /one\nCOPY --from=two a /two\n';
  const archive = async (text: string): Promise<Buffer> =>
    Buffer.concat(await Array.fromAsync(contextArchive({ a: text })));
  const { gzipSync } = await import('node:zlib');
  await engine.images.build(Readable.from(contextArchive({ Dockerfile })), {
    network: 'none',
    tags: ['made'],
    contexts: {
      one: gzipSync(await archive('1')),
      base: 'docker-image://busybox',
      two: Readable.from([await archive('2')]),
    },
  });
  const run = ['run', '--rm', '--network', 'none', 'made', 'cat', '/one', '/two'];
  assert.equal(await daemon.ok(...run), '12');
});

test('one that is broken is told at once, whatever is behind it', { skip }, async () => {
  const engine = new Engine({ host: `unix://${daemon.engine.socket}` });
  const rest = { one: Buffer.alloc(MIB), two: Buffer.alloc(MIB) };
  const broken = engine.images.build(Buffer.alloc(MIB, 'x'), { contexts: rest });
  await assert.rejects(broken, /checksum|header/);
});

test('a large context is not in the memory of the daemon', { skip }, async () => {
  const folder = files('large', { 'a/small': 'x' });
  writeFileSync(join(folder, 'zeros'), Buffer.alloc(LARGE_MIB * MIB));
  const before = resident();
  const { code, stderr } = await build([`big=${folder}`], 'FROM busybox\nCOPY --from=big a /a\n');
  rmSync(folder, { recursive: true });
  assert.equal(code, 0, stderr);
  const growth = (peak() - before) / MIB;
  assert.ok(growth < GROWTH_MIB_MAX, `the daemon has grown by ${growth.toFixed(0)} MiB`);

  function status(field: string): number {
    const text = readFileSync(`/proc/${daemon.engine.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1]) * 1024;
  }
  function resident(): number {
    writeFileSync(`/proc/${daemon.engine.pid}/clear_refs`, '5');
    return status('VmRSS');
  }
  function peak(): number {
    return status('VmHWM');
  }
});
