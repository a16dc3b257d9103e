// Git repositories in builds: ADD, and as the context, from real servers on loopback; and what a
// hostile one tries.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { buildCase, contextArchive, type Outcome, post } from '../fixture/build-client.ts';
import { GitRepository } from '../fixture/git-repository.ts';
import { GIT_PASSWORD, GIT_USER } from '../fixture/git-server.ts';

const skip = cannotRun();
const PORT = 8098;
const GIT_PORT = 8097;
const SERVER = `http://127.0.0.1:${PORT}`;
const GONE_MS_MAX = 5_000;
const scratch = mkdtempSync(join(tmpdir(), 'coracle-test-git-'));
const parts = new AsyncDisposableStack();
let daemon: Daemon;
let main: GitRepository;
let first: string;
/** Lines of the server, with who asked. */
const asked: string[] = [];

before(async () => {
  if (skip !== false) return;
  daemon = parts.use(await startDaemon());
  main = new GitRepository(join(scratch, 'main.git'), {
    Dockerfile: 'FROM busybox\nCOPY . /c/\n',
    file: 'first\n',
    'dir/sub/inner': 'inner\n',
    'dir/run': { program: '#!/bin/sh\n' },
    link: { link: '/etc/passwd' },
    etc: { link: '/etc' },
    '.gitattributes': 'hidden export-ignore\nfile export-subst\n',
    hidden: 'hidden\n',
  });
  first = main.head();
  main.git('tag', 'v0');
  main.git('tag', '-a', '-m', 'one', 'v1');
  main.git('branch', 'dev');
  main.commit({ file: 'second $Format:%H$\n' });
  for (const name of ['private/p.git', 'dumb/d.git']) {
    execFileSync('git', ['clone', '-q', '--bare', main.path, join(scratch, name)]);
  }
  execFileSync('git', ['-C', join(scratch, 'dumb/d.git'), 'update-server-info']);
  const node = [process.execPath, join(ROOT, 'test/fixture/git-server.ts')];
  await serve([...node, scratch, String(PORT)], 'stdout');
  const listen = ['--listen=127.0.0.1', `--port=${GIT_PORT}`, '--export-all', '--verbose'];
  await serve(['/usr/lib/git-core/git-daemon', ...listen, `--base-path=${scratch}`], 'stderr');
});
after(async () => {
  await parts.disposeAsync();
  rmSync(scratch, { recursive: true, force: true });
});

/** In the network namespace of an engine, where its loopback is. */
async function serve(
  argv: readonly string[],
  ready: 'stdout' | 'stderr',
  { namespace }: PrivateEngine = daemon.engine,
): Promise<void> {
  const child = spawn('nsenter', [`--net=${namespace}`, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  parts.defer(() => void process.kill(-(child.pid ?? 0), 'SIGKILL'));
  child.stdout.setEncoding('utf8').on('data', (text: string) => asked.push(...text.split('\n')));
  child.stderr.resume();
  await once(child[ready], 'data');
}

let count = 0;
function build(dockerfile: string, query: Record<string, string> = {}): Promise<Outcome> {
  count += 1;
  return buildCase(daemon.engine.socket, { name: '', dockerfile, query }, `git:${count}`);
}

/** ADD to /x, and the lines of what is below it. */
async function added(source: string): Promise<readonly string[]> {
  const { error, image } = await build(`FROM busybox\nADD ${source} /x/\n`);
  assert.equal(error, undefined, source);
  const below = (image?.files ?? []).filter((line) => /^x\/[^ ]/.test(line));
  return below.map((line) => line.slice('x/'.length));
}

/** Why it is refused. */
async function refused(source: string): Promise<string> {
  const { error } = await build(`FROM busybox\nADD ${source} /x/\n`);
  assert.ok(error !== undefined, `${source} was added`);
  return error;
}

async function remote(url: string, query = '', headers = {}): Promise<string> {
  const path = `/build?networkmode=none&remote=${encodeURIComponent(url)}${query}`;
  const { body } = await post(daemon.engine.socket, path, contextArchive({}), headers);
  return body;
}

const FILES = [
  '.gitattributes file 644 0:0 "hidden export-ignore\nfile export-subst\n" t',
  'Dockerfile file 644 0:0 "FROM busybox\nCOPY . /c/\n" t',
  'dir/ dir 755 0:0 t',
  'dir/run file 755 0:0 "#!/bin/sh\n" t',
  'dir/sub/ dir 755 0:0 t',
  'dir/sub/inner file 644 0:0 "inner\n" t',
  'etc symlink 777 0:0 -> /etc t',
  'hidden file 644 0:0 "hidden\n" t',
  'link symlink 777 0:0 -> /etc/passwd t',
].map((line) => line.replaceAll('\n', '\\n'));

function filesWith(file: string): readonly string[] {
  const line = `file file 644 0:0 ${JSON.stringify(file)} t`;
  return [...FILES, line].toSorted();
}

test('ADD has all files of a commit with their modes, links as links, and no .git', {
  skip,
}, async () => {
  const second = filesWith('second $Format:%H$\n');
  const before = filesWith('first\n');
  assert.deepEqual(await added(`${SERVER}/main.git`), second);
  for (const ref of ['dev', 'v0', 'v1', 'refs/tags/v1', first]) {
    assert.deepEqual(await added(`${SERVER}/main.git#${ref}`), before, ref);
  }
  assert.deepEqual(await added(`${SERVER}/main.git?tag=v1`), before);
  assert.deepEqual(await added(`${SERVER}/main.git?branch=main`), second);
  assert.match(await refused(`${SERVER}/main.git?branch=v1`), /has no ref v1/);
  assert.deepEqual(await added(`git://127.0.0.1:${GIT_PORT}/main.git#v1`), before);
});

test('a server that gives no single commits is asked for all of them', { skip }, async () => {
  assert.deepEqual(await added(`${SERVER}/dumb/d.git#${first}`), filesWith('first\n'));
});

test('--chown, --chmod, --link and --exclude count as with other sources', { skip }, async () => {
  const source = `--chown=7:8 --chmod=0640 --link --exclude=dir ${SERVER}/main.git#v0:`;
  const files = await added(source);
  assert.ok(files.includes('file file 640 7:8 "first\\n" t'), files.join('\n'));
  assert.ok(!files.some((line) => line.startsWith('dir')));
});

test('a directory of a repository is added alone, and never by a link', { skip }, async () => {
  const inner = ['inner file 644 0:0 "inner\\n" t'];
  assert.deepEqual(await added(`${SERVER}/main.git#main:dir/sub`), inner);
  assert.deepEqual(await added(`${SERVER}/main.git?subdir=/dir/./sub/`), inner);
  assert.match(await refused(`${SERVER}/main.git#:etc`), /links are not followed/);
  assert.match(await refused(`${SERVER}/main.git#:etc/ssl`), /"etc\/ssl" .*is not there/);
  assert.match(await refused(`${SERVER}/main.git#:file`), /is no directory/);
  assert.match(await refused(`${SERVER}/main.git#:none`), /is not there/);
});

test('--keep-git-dir leaves a repository that git finds unchanged', { skip }, async () => {
  const url = `http://${GIT_USER}:${GIT_PASSWORD}@127.0.0.1:${PORT}/private/p.git#v1`;
  const { error } = await build(`FROM busybox\nADD --keep-git-dir ${url} /x/\n`);
  assert.equal(error, undefined);
  const container = await daemon.ok('create', `git:${count}`, 'true');
  const folder = join(scratch, 'kept');
  await daemon.ok('cp', `${container}:/x`, folder);
  await daemon.ok('rm', container);
  const git = (...args: readonly string[]): string => {
    const argv = ['-c', 'safe.directory=*', '-C', folder, ...args];
    return execFileSync('git', argv, { encoding: 'utf8' }).trim();
  };
  assert.equal(git('rev-parse', 'HEAD'), first);
  assert.equal(git('status', '--porcelain'), '');
  assert.equal(git('describe', '--tags', '--exact-match'), 'v1');
  assert.equal(git('remote', 'get-url', 'origin'), `${SERVER}/private/p.git`);
  assert.equal(git('fsck'), '');
});

test('a checksum is the commit, a tag or the beginning of one, and both are told', {
  skip,
}, async () => {
  const source = `${SERVER}/main.git#v1`;
  for (const right of [first, first.slice(0, 7), main.git('rev-parse', 'v1')]) {
    await added(`--checksum=${right} ${source}`);
  }
  const wrong = main.head();
  const why = await refused(`--checksum=${wrong} ${source}`);
  assert.ok(why.includes(`expected checksum to match ${wrong}, got`), why);
  assert.ok(why.includes(first), why);
  assert.match(
    await refused(`--checksum=${wrong} ${SERVER}/main.git#${first}`),
    /expected checksum/,
  );
  assert.match(await refused(`--checksum=sha256:${'0'.repeat(64)} ${source}`), /invalid checksum/);
  assert.match(await refused(`--keep-git-dir ${SERVER}/file`), /no git repositories/);
});

test('what was made of a commit is in the cache until there is another commit', {
  skip,
}, async () => {
  const moving = new GitRepository(join(scratch, 'moving.git'), { a: '1\n' });
  const build2 = async (
    ref = '',
  ): Promise<{ readonly hit: boolean; readonly fetched: boolean }> => {
    const from = asked.length;
    const { error, stream } = await build(`FROM busybox\nADD ${SERVER}/moving.git${ref} /x/\n`);
    assert.equal(error, undefined);
    await sleep(20); // the server's lines
    const posts = asked.slice(from).filter((line) => line.startsWith('POST /moving.git')).length;
    return { hit: stream.some((line) => line.includes('Using cache')), fetched: posts > 1 };
  };
  assert.deepEqual(await build2(), { hit: false, fetched: true });
  assert.deepEqual(await build2(), { hit: true, fetched: false });
  const commit = moving.commit({ a: '2\n' });
  assert.deepEqual(await build2(), { hit: false, fetched: true });
  const from = asked.length;
  assert.deepEqual(await build2(`#${commit}`), { hit: true, fetched: false });
  assert.equal(asked.slice(from).join(''), '', 'a commit that is named is not asked for');
});

test('a private repository is refused without a prompt, and read with its password', {
  skip,
}, async () => {
  const why = await refused(`${SERVER}/private/p.git`);
  assert.match(why, /could not read Username.*prompts disabled/);
  const withWrong = `http://me:falsch@127.0.0.1:${PORT}/private/p.git`;
  assert.doesNotMatch(await refused(withWrong), /falsch/);
  const url = `http://${GIT_USER}:${GIT_PASSWORD}@127.0.0.1:${PORT}`;
  const { error, image, stream } = await build(`FROM busybox\nADD ${url}/private/p.git#v0 /x/\n`);
  assert.equal(error, undefined);
  assert.ok(stream.some((line) => line.includes('ADD http://xxxxx:xxxxx@127.0.0.1:')));
  assert.doesNotMatch(JSON.stringify([stream, image?.history]), new RegExp(GIT_PASSWORD));
  // Another name for the host is another host: the password is not for it.
  const from = asked.length;
  assert.doesNotMatch(await refused(`${url}/moved/p.git`), new RegExp(GIT_PASSWORD));
  const sent = asked.slice(from).filter((line) => line.startsWith('GET /private/'));
  assert.ok(sent.length > 0 && sent.every((line) => line.endsWith(' -')), sent.join('\n'));
  // Nor does it stay anywhere: records, logs, the cache.
  const { directory } = daemon.engine;
  const grep = spawnSync('grep', ['-rlF', GIT_PASSWORD, directory], { encoding: 'utf8' });
  assert.equal(grep.stdout, '');
  assert.doesNotMatch(daemon.engine.log(), new RegExp(GIT_PASSWORD));
});

test('a token comes as a secret, as with buildkit', { skip }, async () => {
  const own = JSON.stringify({
    Secrets: { 'GIT_AUTH_TOKEN.127.0.0.1': Buffer.from('a-token\n').toString('base64') },
  });
  const headers = { 'X-Coracle-Build': Buffer.from(own).toString('base64') };
  const from = asked.length;
  await remote(`${SERVER}/private/p.git`, '', headers);
  await sleep(20); // the server's lines
  assert.ok(asked.slice(from).some((line) => line.endsWith(' x-access-token:a-token')));
});

test('a repository is a context, with its Dockerfile, and .git only on request', {
  skip,
}, async () => {
  assert.match(await remote(`${SERVER}/main.git`), /Successfully built/);
  assert.match(await remote(`${SERVER}/main.git#v0:dir`), /Cannot locate specified Dockerfile/);
  const files = async (args: Record<string, string>): Promise<string> => {
    const query = `&t=context&buildargs=${encodeURIComponent(JSON.stringify(args))}`;
    assert.match(await remote(`${SERVER}/main.git#v0`, query), /Successfully tagged/);
    return daemon.ok(
      'run',
      '--rm',
      '--network=none',
      'context',
      'sh',
      '-c',
      'ls -A /c; cat /c/file',
    );
  };
  assert.equal(
    await files({}),
    ['.gitattributes', 'Dockerfile', 'dir', 'etc', 'file', 'hidden', 'link', 'first'].join('\n'),
  );
  assert.match(await files({ BUILDKIT_CONTEXT_KEEP_GIT_DIR: '1' }), /^\.git$/m);
  const url = `${SERVER}/main.git#v1`;
  const { code, stderr } = await daemon.run([join(ROOT, 'bin/coracle'), 'build', '-t', 'own', url]);
  assert.equal(code, 0, stderr);
  for (const other of ['file:///etc', 'ext::sh -c id', 'git@127.0.0.1:x.git', '-u@h:x']) {
    assert.match(await remote(other), /cannot build from|ssh is not spoken|begins with/, other);
  }
});

test('submodules are part of the tree, relative ones too, unless they are not wanted', {
  skip,
}, async () => {
  const leaf = new GitRepository(join(scratch, 'deep/leaf.git'), { leaf: 'leaf\n' });
  const middle = new GitRepository(join(scratch, 'deep/middle.git'), { middle: 'middle\n' });
  const top = new GitRepository(join(scratch, 'deep/top.git'), { top: 'top\n' });
  const commit = middle.submodule('in', '../leaf.git', leaf.head());
  top.submodule('lib/m', `${SERVER}/deep/middle.git`, commit);
  const names = async (more: string): Promise<readonly string[]> =>
    (await added(`${SERVER}/deep/top.git${more}`))
      .filter((line) => line.includes(' file '))
      .map((line) => line.split(' ')[0] ?? '');
  assert.deepEqual(await names(''), [
    '.gitmodules',
    'lib/m/.gitmodules',
    'lib/m/in/leaf',
    'lib/m/middle',
    'top',
  ]);
  assert.deepEqual(await names('?submodules=false'), ['.gitmodules', 'top']);
  assert.deepEqual(await names('#:lib/m/in'), ['leaf']);
});

const MARK = `${SERVER}/mark`;

test('what a submodule names is never a program, a file or a place outside', { skip }, async () => {
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ['m', `ext::curl -s ${MARK}`, /invalid git URL/],
    ['m', `ext::curl%20-s%20${MARK}`, /ext is not allowed|is no URL/],
    ['m', `file://${main.path}`, /file is not allowed/],
    ['m', main.path, /is no URL/],
    ['m', `--upload-pack=curl ${MARK}`, /invalid git URL/],
    ['m', `ssh://-oProxyCommand=curl${MARK}/x`, /ssh is not spoken/],
    ['m', `http://-x/y.git`, /no host/],
  ];
  for (const [at, [path, url, expected]] of hostile.entries()) {
    const name = `hostile/${at}.git`;
    new GitRepository(join(scratch, name), { a: 'a\n' }).submodule(path, url, main.head());
    assert.match(await refused(`${SERVER}/${name}`), expected, url);
  }
  const outside = new GitRepository(join(scratch, 'hostile/path.git'), { a: 'a\n' });
  outside.git('update-index', '--add', '--cacheinfo', `160000,${first},x`);
  outside.commit({ '.gitmodules': `[submodule "x"]\npath = ../x\nurl = ${SERVER}/main.git\n` });
  assert.match(await refused(`${SERVER}/hostile/path.git`), /its path is "\.\.\/x"/);
});

test('a tree that names what is outside or a repository is refused', { skip }, async () => {
  for (const [at, name] of ['..', '.git', '.GIT', '.'].entries()) {
    const hostile = new GitRepository(join(scratch, `tree/${at}.git`), { 'a/config': 'evil\n' });
    const inner = hostile.git('rev-parse', 'HEAD:a');
    const raw = Buffer.concat([Buffer.from(`40000 ${name}\0`), Buffer.from(inner, 'hex')]);
    const argv = ['-C', hostile.path, 'hash-object', '--literally', '-t', 'tree', '-w', '--stdin'];
    const tree = execFileSync('git', argv, { input: raw, encoding: 'utf8' }).trim();
    hostile.git('update-ref', 'HEAD', hostile.git('commit-tree', '-m', 'evil', tree));
    const why = await refused(`${SERVER}/tree/${at}.git`);
    assert.match(why, /tree\/\d\.git: error: invalid path/);
  }
});

test('no word of a source becomes an option or a command', { skip }, async () => {
  const command = `curl$IFS-s$IFS${MARK}`;
  const sources = [
    `--upload-pack=${command}@host:x.git`,
    `git://127.0.0.1:${GIT_PORT}/main.git#--upload-pack=${command}`,
    `${SERVER}/main.git#-c`,
    `${SERVER}/main.git#main:-c`,
    `${SERVER}/main.git#;${command};`,
    `${SERVER}/main.git#$(${command})`,
    `${SERVER}/$(${command}).git`,
    `${SERVER}/;${command};.git`,
    `http://-oProxyCommand=x/y.git`,
    `ssh://-oProxyCommand=${command}/x`,
    `http://a'$(${command}):b"@127.0.0.1:${PORT}/private/p.git`,
    `ext::${command}`,
    `git://127.0.0.1:${GIT_PORT}/ext::${command}`,
  ];
  for (const source of sources) {
    await remote(source);
    const words = JSON.stringify([source, '/x/']);
    const { error } = await build(`FROM busybox\nADD ${words}\n`);
    assert.ok(error !== undefined, `${source} was added`);
  }
  await sleep(20); // the server's lines
  assert.deepEqual(
    asked.filter((line) => /\/mark( |$)/.test(line) && !line.includes('.git')),
    [],
  );
});

test('git sees nothing of the host that it could change, and is nobody there', {
  skip,
}, async () => {
  // What runs while the server does not answer.
  const running = beginSlow(daemon.engine.socket);
  const pid = await eventually(() => processesWith('/slow/').find(({ name }) => name === 'git'));
  const status = readFileSync(`/proc/${pid.pid}/status`, 'utf8');
  assert.match(status, /^Uid:\t2147418112\t2147418112\t2147418112\t2147418112$/m);
  assert.match(status, /^CapEff:\t0+$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^NSpid:\t\d+\t1$/m);
  const mounts = readFileSync(`/proc/${pid.pid}/mountinfo`, 'utf8').trim().split('\n');
  const writable = mounts.filter((line) => / rw,/.test(line.split(' - ')[0] ?? ''));
  assert.deepEqual(
    writable.map((line) => line.split(' ')[4]).filter((path) => path !== '/proc'),
    ['/tmp'],
  );
  running.abort();
  await eventually(() => processesWith('/slow/').length === 0 || undefined);
  await eventually(
    () => readdirSync(join(daemon.engine.directory, 'data/build')).length === 0 || undefined,
  );
});

test('git ends with a daemon that is killed, and the next one has nothing of it', {
  skip,
}, async () => {
  const directory = makeEngineDirectory();
  let engine = await startEngine({ directory });
  try {
    const node = [process.execPath, join(ROOT, 'test/fixture/git-server.ts')];
    await serve([...node, scratch, String(PORT)], 'stdout', engine);
    beginSlow(engine.socket);
    await eventually(() => processesWith('/slow/').find(({ name }) => name === 'git'));
    await engine.kill('SIGKILL');
    await eventually(() => processesWith('/slow/').length === 0 || undefined);
    engine = await startEngine({ directory });
    assert.deepEqual(readdirSync(join(directory, 'data/build')), []);
  } finally {
    await engine.kill('SIGTERM');
    removeEngineDirectory(directory);
  }
});

function beginSlow(socketPath: string): AbortController {
  const controller = new AbortController();
  const path = `/v1.41/build?networkmode=none&remote=${encodeURIComponent(`${SERVER}/slow/x.git`)}`;
  const out = request({ socketPath, method: 'POST', path, signal: controller.signal });
  out.on('error', () => {}); // it is cut off, by us or by the daemon's end
  out.end();
  return controller;
}

type Found = { readonly pid: string; readonly name: string };

function processesWith(word: string): readonly Found[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (!argv.includes(word) || argv.startsWith('curl')) return [];
      return [{ pid, name: readFileSync(`/proc/${pid}/comm`, 'utf8').trim() }];
    } catch {
      return []; // ended meanwhile
    }
  });
}

async function eventually<T>(look: () => T | undefined): Promise<T> {
  const deadline = performance.now() + GONE_MS_MAX;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < deadline, 'it did not come to that');
    await sleep(10);
  }
}
