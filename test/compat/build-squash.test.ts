// build --squash: what is above the base becomes one layer, as by a dockerd with experimental
// features on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, runProgram, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const PROGRAM = join(ROOT, 'bin/coracle');
const BUILD_MS_MAX = 60_000;
let daemon: Daemon;
const scratch = mkdtempSync(join(tmpdir(), 'coracle-test-squash-'));

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

function tryBuild(text: string, ...argv: readonly string[]): Promise<Result> {
  const env = { ...daemon.engine.env, DOCKER_BUILDKIT: '0' };
  const argvAll = ['docker', 'build', '--network', 'none', ...argv, '-'];
  return runProgram(argvAll, env, { env, input: text, timeoutMs: BUILD_MS_MAX });
}

async function build(text: string, ...argv: readonly string[]): Promise<string> {
  const { code, stderr, stdout } = await tryBuild(text, ...argv);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

async function inspect<T>(name: string, format: string): Promise<T> {
  return JSON.parse(await daemon.ok('image', 'inspect', '-f', `{{json ${format}}}`, name)) as T;
}

const layersOf = (name: string): Promise<string[]> => inspect(name, '.RootFS.Layers');

/** The archive of an image's last layer, and what it lists. */
async function lastLayer(name: string): Promise<{ path: string; names: string[]; list: string }> {
  const folder = mkdtempSync(join(scratch, 'save-'));
  const archive = join(folder, 'image.tar');
  await daemon.ok('save', '-o', archive, name);
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  const manifest = execFileSync('tar', ['-xOf', archive, 'manifest.json'], { encoding: 'utf8' });
  const [{ Layers = [] } = {}] = JSON.parse(manifest) as { Layers?: string[] }[];
  const path = join(folder, Layers.at(-1) ?? '');
  const names = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).trimEnd().split('\n');
  const list = execFileSync('tar', ['-tvf', path], { encoding: 'utf8' });
  return { path, names, list };
}

const DOCKERFILE = `FROM busybox
LABEL a=b
RUN echo removed-secret >/big && mkdir -p /d/e && echo x >/d/e/x && ln /d/e/x /d/y && mknod /d/null c 1 3
RUN rm /big && rm -rf /d/e && mkdir /d/e && echo new >/d/e/new && rm /bin/zcat && ln -s d /l && echo 1 >/h1 && ln /h1 /h2
RUN chmod 711 /d/null && chown 7:8 /d/e && rm -rf /home && mkdir /home && touch -d @1 /home/me
CMD ["sh"]
`;

test('docker build --squash makes one layer of all that the steps left', { skip }, async () => {
  const [base = ''] = await layersOf('busybox');
  const out = await build(DOCKERFILE, '-t', 'sq', '--squash');
  const id = await inspect<string>('sq', '.Id');
  assert.match(
    out,
    new RegExp(`Successfully built ${id.slice(7, 19)}\nSuccessfully tagged sq:latest`),
  );
  const layers = await layersOf('sq');
  assert.equal(layers.length, 2);
  assert.equal(layers[0], base);
  const { path, names, list } = await lastLayer('sq');
  const expected = [
    'bin/',
    'bin/.wh.zcat',
    'd/',
    'd/e/',
    'd/e/new',
    'd/null',
    'd/y',
    'h1',
    'h2',
    'home/',
    'home/me',
    'l',
  ];
  assert.deepEqual(names, expected);
  assert.equal(execFileSync('cat', [path]).includes('removed-secret'), false);
  assert.match(list, /^crwx--x--x 0\/0 +1,3 .* d\/null$/m);
  assert.match(list, /^drwxr-xr-x 7\/8 .* d\/e\/$/m);
  assert.match(list, / l -> d$/m);
  assert.match(list, / h2 link to h1$/m);
  const words = 'cat /l/e/new /d/y; ls /bin/zcat /d/e/x /big 2>&1 | wc -l; stat -c %Y /home/me';
  assert.equal(await daemon.ok('run', '--rm', 'sq', 'sh', '-c', words), 'new\nx\n3\n1');
});

test('its history says what was merged, and its parent is nobody', { skip }, async () => {
  await build(DOCKERFILE, '-t', 'plain');
  await build(DOCKERFILE, '-t', 'sq', '--squash');
  const baseId = await inspect<string>('busybox', '.Id');
  const comment = `merge ${await inspect<string>('plain', '.Id')} to ${baseId}`;
  assert.equal(await inspect('sq', '.Comment'), comment);
  assert.equal(await inspect('sq', '.Parent'), '');
  assert.deepEqual(await inspect('sq', '.Config'), await inspect('plain', '.Config'));
  const rows = (
    await daemon.ok('history', '--format', '{{.Size}}|{{.Comment}}|{{.CreatedBy}}', 'sq')
  )
    .trimEnd()
    .split('\n');
  assert.match(rows[0] ?? '', /^\d+B\|merge sha256:[^|]*\|$/);
  assert.ok(
    rows.slice(1, 6).every((row) => row.startsWith('0B||/bin/sh -c ')),
    rows.join('\n'),
  );
  assert.equal(rows.length, 7);
});

test('steps stay cached, and the same again is the same image', { skip }, async () => {
  const first = await build(DOCKERFILE, '-q', '--squash');
  const images = await daemon.ok('images', '-aq', '--no-trunc');
  const out = await build(DOCKERFILE, '--squash');
  assert.equal(out.match(/Using cache/g)?.length, 5);
  assert.ok(out.includes(`Successfully built ${first.slice(7, 19)}`));
  assert.equal(await daemon.ok('images', '-aq', '--no-trunc'), images);
});

test('what differs only by content from the base is in the layer', { skip }, async () => {
  await build('FROM busybox\nRUN echo one >/f && touch -d @1000 /f\n', '-t', 'before');
  const text = 'FROM before\nRUN echo two >/f && touch -d @1000 /f\nRUN true\n';
  await build(text, '-t', 'after', '--squash');
  assert.equal(await daemon.ok('run', '--rm', 'after', 'cat', '/f'), 'two');
});

test('coracle build --squash gives the same image', { skip }, async () => {
  const id = (await build(DOCKERFILE, '-q', '--squash')).trim();
  const own = await daemon.run([PROGRAM, 'build', '--squash', '--network', 'none', '-q', '-'], {
    input: DOCKERFILE,
  });
  assert.equal(own.stdout.trim(), id, own.stderr);
});

test('a stage is a base, too; on scratch all is one layer', { skip }, async () => {
  const stages =
    'FROM busybox AS a\nRUN echo 1 >/one\nFROM a\nRUN echo 2 >/two; rm /one\nRUN true\n';
  await build(stages, '-t', 'staged', '--squash');
  assert.equal((await layersOf('staged')).length, 3);
  assert.deepEqual((await lastLayer('staged')).names, ['.wh.one', 'two']);
  const alone =
    'FROM busybox AS a\nRUN mkdir /x && echo 1 >/x/1\nFROM scratch\nCOPY --from=a /x /x\nCOPY --from=a /x/1 /y\n';
  await build(alone, '-t', 'alone', '--squash');
  assert.equal((await layersOf('alone')).length, 1);
  assert.deepEqual((await lastLayer('alone')).names, ['x/', 'x/1', 'y']);
  assert.match(await inspect('alone', '.Comment'), /^create new from sha256:[0-9a-f]{64}$/);
});

test('where no step wrote anything, nothing is squashed', { skip }, async () => {
  const text = 'FROM busybox\nCMD ["true"]\n';
  const id = (await build(text, '-q')).trim();
  assert.equal((await build(text, '-q', '--squash')).trim(), id);
  await build('FROM busybox\nRUN touch /a\nRUN rm /a\n', '-t', 'none', '--squash');
  assert.equal((await layersOf('none')).length, 1);
});

test('SOURCE_DATE_EPOCH gives the same layer again when nothing is cached', { skip }, async () => {
  const text =
    'FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN mkdir /m && echo a >/m/a\nRUN echo b >/m/b; rm /m/a\n';
  const wish = ['--no-cache', '--squash', '--build-arg', 'SOURCE_DATE_EPOCH=1700000000'];
  const first = await build(text, '-q', ...wish);
  await daemon.ok('rmi', first.trim());
  await daemon.ok('builder', 'prune', '-af');
  assert.equal(await build(text, '-q', ...wish), first);
});

test('a failed build leaves no image', { skip }, async () => {
  await daemon.ok('builder', 'prune', '-af');
  const images = await daemon.ok('images', '-aq');
  const { code } = await tryBuild('FROM busybox\nRUN echo a >/a\nRUN exit 3\n', '--squash');
  assert.equal(code, 3);
  assert.equal(await daemon.ok('images', '-aq'), images);
});
