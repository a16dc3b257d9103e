// `coracle build`: what it sends, shows, and says when something is wrong.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const PROGRAM = join(ROOT, 'bin/coracle');
let daemon: Daemon;
let folder = '';

before(async () => {
  if (skip !== false) return;
  folder = mkdtempSync(join(tmpdir(), 'coracle-build-cli-'));
  daemon = await startDaemon();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  if (folder !== '') rmSync(folder, { recursive: true });
});

function context(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(path, file, '..'), { recursive: true });
    writeFileSync(join(path, file), text);
  }
  return path;
}

function build(argv: readonly string[], options: { readonly input?: string } = {}) {
  return daemon.run([PROGRAM, 'build', ...argv], { env: { TOLD: 'from outside' }, ...options });
}

test('stages are shown as they go, and a second build is cached', { skip }, async () => {
  const path = context('stages', {
    Dockerfile: [
      'FROM busybox AS make',
      'ARG WHO',
      'RUN echo hello $WHO > /made',
      'FROM busybox',
      'COPY --from=make /made /made',
      'COPY --exclude=*.md docs /docs',
      'CMD ["cat", "/made"]',
    ].join('\n'),
    'docs/a.txt': 'a',
    'docs/b.md': 'b',
    '.dockerignore': 'secret*',
    'secret.txt': 'x',
  });
  const how = ['-t', 'own:1', '--build-arg', 'WHO=harbour', '--explain', path];
  const first = await build(how);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^#3 \[3\/7\] RUN echo hello \$WHO > \/made$/m);
  assert.match(first.stderr, /^#5 not cached: it was not built here before$/m);
  assert.match(first.stderr, /^Built sha256:[0-9a-f]{64} own:1$/m);
  assert.equal(await daemon.ok('run', '--rm', 'own:1'), 'hello harbour');
  assert.equal(await daemon.ok('run', '--rm', 'own:1', 'ls', '/docs'), 'a.txt');
  const second = await build(how);
  assert.equal((second.stderr.match(/CACHED/g) ?? []).length, 5);
  const id = /^Built (\S+)/m;
  assert.equal(id.exec(second.stderr)?.[1], id.exec(first.stderr)?.[1], 'the same image');
});

test('a failure has its place in the Dockerfile, and the exit code of its command', {
  skip,
}, async () => {
  const path = context('fails', {
    Dockerfile: 'FROM busybox\nRUN true\nRUN echo said; exit 7\nRUN x\n',
  });
  const { code, stderr } = await build([path]);
  assert.equal(code, 7);
  assert.match(stderr, /^#3 [\d.]+ said$/m);
  assert.match(
    stderr,
    /Dockerfile:3\n {3}1 \| {5}FROM busybox\n.*\n {3}3 \| >>> RUN echo said; exit 7/,
  );
  assert.match(stderr, /returned a non-zero code: 7\n$/);
  const wrong = await build(['-'], { input: 'FROM busybox\n\nRNU x\n' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /on line 3: unknown instruction: RNU \(did you mean RUN\?\)/);
  assert.equal(await daemon.ok('ps', '-aq'), '', 'no container is left');
});

test('a secret is there for its RUN and nowhere else', { skip }, async () => {
  const input =
    'FROM busybox\nRUN --mount=type=secret,id=key,required=true cat /run/secrets/key | md5sum > /sum\n';
  const { code, stderr } = await build(['-t', 'sec', '--secret', 'id=key,env=TOLD', '-'], {
    input,
  });
  assert.equal(code, 0, stderr);
  const look = 'cat /sum; ls /run/secrets 2>/dev/null || true';
  const sum = createHash('md5').update('from outside').digest('hex');
  assert.equal(await daemon.ok('run', '--rm', 'sec', 'sh', '-c', look), `${sum}  -`);
  const all = await daemon.run(['grep', '-rl', 'from outside', daemon.engine.directory]);
  assert.equal(all.stdout, '', 'it is nowhere on disk');
  const without = await build(['-'], { input: input.replace('md5sum', 'cat') });
  assert.match(without.stderr, /secret key: not found/);
});

test('--check warns, and exits with 1', { skip }, async () => {
  const path = context('check', { Dockerfile: 'FROM busybox AS One\nMAINTAINER x\nCMD echo\n' });
  const { code, stdout } = await build(['--check', path]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^line 1: StageNameCasing: .*\nline 2: MaintainerDeprecated: .*\nline 3: JSONArgs/,
  );
  assert.match(stdout, /Check complete, 3 warnings found\.\n$/);
});

test('-o writes files, a tar archive or an image layout', { skip }, async () => {
  const path = context('output', { Dockerfile: 'FROM scratch\nCOPY a /x/y\n', a: 'content' });
  const dest = join(folder, 'out');
  assert.equal((await build(['-q', '-o', dest, path])).code, 0);
  assert.equal(readFileSync(join(dest, 'x/y'), 'utf8'), 'content');
  const tar = join(folder, 'out.tar');
  assert.equal((await build(['-q', '-o', `type=tar,dest=${tar}`, path])).code, 0);
  assert.match((await daemon.run(['tar', 'xOf', tar, 'x/y'])).stdout, /^content$/);
  const oci = join(folder, 'oci.tar');
  const ids = ['--iidfile', join(folder, 'iid'), '--metadata-file', join(folder, 'meta')];
  assert.equal((await build(['-q', '-o', `type=oci,dest=${oci}`, ...ids, path])).code, 0);
  assert.match((await daemon.run(['tar', 'tf', oci])).stdout, /^oci-layout$/m);
  assert.match(readFileSync(join(folder, 'iid'), 'utf8'), /^sha256:[0-9a-f]{64}$/);
  const metadata = JSON.parse(readFileSync(join(folder, 'meta'), 'utf8')) as Record<string, string>;
  assert.equal(metadata['containerimage.config.digest'], readFileSync(join(folder, 'iid'), 'utf8'));
});

test('a Dockerfile from elsewhere, and contexts that are not there', { skip }, async () => {
  const path = context('apart/ctx', { a: 'content' });
  writeFileSync(join(folder, 'apart/Own'), 'FROM busybox\nCOPY . /all/\n');
  const { code, stderr } = await build(['-t', 'apart', '-f', join(folder, 'apart/Own'), path]);
  assert.equal(code, 0, stderr);
  assert.match(await daemon.ok('run', '--rm', 'apart', 'ls', '/all'), /^a$/);
  assert.match(
    (await build(['/no/such'])).stderr,
    /unable to prepare context: path "\/no\/such" not found/,
  );
  assert.match(
    (await build([path])).stderr,
    /prepare context: .* lstat \S+\/Dockerfile: no such file/,
  );
});

test('the cache is shown by system df, and emptied by builder prune', { skip }, async () => {
  assert.match(await daemon.ok('system', 'df'), /^Build Cache +[1-9]/m);
  const { stdout } = await daemon.run([PROGRAM, 'builder', 'prune', '-af']);
  assert.match(stdout, /^Deleted build cache objects:\n[0-9a-f]{64}\n/);
  assert.match(await daemon.ok('system', 'df'), /^Build Cache +0/m);
  assert.equal(
    await daemon.ok('run', '--rm', 'own:1'),
    'hello harbour',
    'images keep their layers',
  );
});
