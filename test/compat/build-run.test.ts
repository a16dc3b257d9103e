// RUN and its mounts, limits and networks; secrets; what ADD fetches.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotRun, type Daemon, type Result, runProgram, startDaemon } from '../daemon.ts';
import { ROOT } from '../../tools/source.ts';

const skip = cannotRun();
const CLIENT_MS_MAX = 60_000;
let daemon: Daemon;
const scratch = mkdtempSync(join(tmpdir(), 'coracle-test-build-run-'));

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

function build(text: string, ...argv: readonly string[]): Promise<Result> {
  return runProgram(['docker', 'build', ...argv, '-'], daemon.engine.env, {
    env: { ...daemon.engine.env, DOCKER_BUILDKIT: '0' },
    input: text,
    timeoutMs: CLIENT_MS_MAX,
  });
}

async function built(text: string, ...argv: readonly string[]): Promise<string> {
  const { code, stderr, stdout } = await build(text, '--network', 'none', ...argv);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

const layersOf = async (name: string): Promise<readonly string[]> =>
  JSON.parse(
    await daemon.ok('image', 'inspect', '-f', '{{json .RootFS.Layers}}', name),
  ) as string[];

test('a cache is kept between builds, by its id, and is in no layer', { skip }, async () => {
  const run = (id: string, what: string): Promise<string> =>
    built(
      `FROM busybox\nRUN --mount=type=cache,id=${id},target=/c/d ${what}\n`,
      '--no-cache',
      '-t',
      'cached',
    );
  await run('one', 'echo first >/c/d/x');
  assert.match(await run('one', 'cat /c/d/x'), /^first$/m);
  assert.match(await run('two', 'ls -A /c/d | wc -l'), /^0$/m);
  assert.equal((await layersOf('cached')).length, 1, 'the mount point is a layer');
  await daemon.ok('builder', 'prune', '-af');
  assert.match(await run('one', 'ls -A /c/d | wc -l'), /^0$/m);
});

test('a locked cache is one step’s at a time, and two never wait for each other', {
  skip,
}, async () => {
  const lock = (a: string, b: string): Promise<string> => {
    const mount = (id: string): string =>
      `--mount=type=cache,sharing=locked,id=${id},target=/${id}`;
    const script = 'mkdir /a/busy && sleep 0.3 && rmdir /a/busy';
    return built(`FROM busybox\nRUN ${mount(a)} ${mount(b)} ${script}\n`, '--no-cache');
  };
  await Promise.all([lock('a', 'b'), lock('b', 'a'), lock('a', 'b')]);
});

test('a private cache is nobody else’s while it is used', { skip }, async () => {
  const one = (): Promise<string> =>
    built(
      'FROM busybox\nRUN --mount=type=cache,sharing=private,id=p,target=/p mkdir /p/busy && sleep 0.5 && rmdir /p/busy\n',
      '--no-cache',
    );
  await Promise.all([one(), one(), one()]);
});

test('what was made for mounts is no part of a layer; what the command made beside is', {
  skip,
}, async () => {
  const mounts = '--mount=type=tmpfs,target=/m/n/o --mount=type=cache,target=/m/c';
  await built(`FROM busybox\nRUN ${mounts} touch /m/n/o/x /m/c/y\n`, '-t', 'nothing');
  assert.equal((await layersOf('nothing')).length, 1);
  await built(`FROM busybox\nRUN ${mounts} touch /m/n/mine\n`, '-t', 'beside');
  const found = await daemon.ok('run', '--rm', '--network', 'none', 'beside', 'find', '/m');
  assert.equal(found, '/m\n/m/n\n/m/n/mine');
});

test('a secret is in no layer, history, cache, record or log', { skip }, async () => {
  const secret = `top-secret-${process.pid}`;
  const file = join(scratch, 'secret');
  writeFileSync(file, secret);
  const text = [
    'FROM busybox',
    'RUN --mount=type=secret,id=s,mode=0440,uid=5,gid=6 stat -c "%a %u %g" /run/secrets/s && wc -c </run/secrets/s',
    'RUN --mount=type=secret,id=s,target=/etc/deep/s test -s /etc/deep/s',
    'RUN --mount=type=secret,id=s,env=TOKEN test -n "$TOKEN"; touch /made; sleep 0.3',
  ].join('\n');
  const folder = mkdtempSync(join(scratch, 'ctx-'));
  writeFileSync(join(folder, 'Dockerfile'), text);
  const argv = [join(ROOT, 'bin/coracle'), 'build', '--network', 'none', '-t', 'secretive'];
  const { code, stderr, stdout } = await runProgram(
    [...argv, '--secret', `id=s,src=${file}`, folder],
    daemon.engine.env,
    { timeoutMs: CLIENT_MS_MAX },
  );
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout + stderr, /440 5 6/);
  const changed = await daemon
    .ok('run', '--rm', '--network', 'none', 'secretive', 'ls', '/run', '/etc/deep', '/made')
    .catch(String);
  assert.match(changed, /\/run: No such file|^\/made$/m);
  assert.equal((await layersOf('secretive')).length, 2, 'only the last command wrote');
  const grep = await runProgram(
    [
      'grep',
      '-raFl',
      '--devices=skip',
      secret,
      join(daemon.engine.directory, 'data'),
      join(daemon.engine.directory, 'run'),
    ],
    process.env,
    {},
  );
  assert.equal(grep.stdout, '');
  assert.doesNotMatch(daemon.engine.log(), new RegExp(secret));
});

test('a failed step that was told a secret is not kept', { skip }, async () => {
  const folder = mkdtempSync(join(scratch, 'ctx-'));
  writeFileSync(
    join(folder, 'Dockerfile'),
    'FROM busybox\nRUN --mount=type=secret,id=s,env=S exit 1\n',
  );
  writeFileSync(join(scratch, 'other'), 'x');
  const own = Buffer.from(JSON.stringify({ Secrets: { s: 'c2VjcmV0' } })).toString('base64');
  execFileSync('tar', ['-C', folder, '-cf', join(scratch, 'ctx.tar'), '.']);
  const { stdout } = await runProgram(
    [
      'curl',
      '-s',
      '--unix-socket',
      daemon.engine.socket,
      '-H',
      `X-Coracle-Build: ${own}`,
      '--data-binary',
      `@${join(scratch, 'ctx.tar')}`,
      'http://d/v1.41/build?rm=0&networkmode=none',
    ],
    process.env,
    {},
  );
  assert.match(stdout, /returned a non-zero code: 1/);
  assert.equal(await daemon.ok('ps', '-aq'), '');
});

test('limits, hosts and networks are those that were asked for', { skip }, async () => {
  const out = await built(
    'FROM busybox\nRUN ulimit -n; grep -c "10.1.2.3.*db" /etc/hosts; df -k /dev/shm | tail -1 | awk "{print \\$2}"; ip -o link | wc -l; cat /proc/self/cgroup | head -1\n',
    ...[
      '--ulimit',
      'nofile=123:456',
      '--add-host',
      'db:10.1.2.3',
      '--shm-size',
      '2m',
      '--memory',
      '64m',
    ],
  );
  assert.match(out, /^123\n1\n2048\n1\n/m);
  const killed = await build(
    'FROM busybox\nRUN awk \'BEGIN { s = "x"; while (length(s) < 2e8) s = s s }\'\n',
    '--memory',
    '32m',
    '--network',
    'none',
  );
  assert.notEqual(killed.code, 0, 'it had more memory than --memory says');
  const links = execFileSync('nsenter', [`--net=${daemon.engine.namespace}`, 'ip', '-o', 'link'], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n').length;
  const host = await build(
    'FROM busybox\nRUN ip -o link | wc -l\nRUN --network=none ip -o link | wc -l\n',
    '--network',
    'host',
  );
  assert.match(
    host.stdout,
    new RegExp(`^${links}\\n[\\s\\S]*^1\\n`, 'm'),
    host.stdout + host.stderr,
  );
});

test('ADD fetches, keeps the time, and compares the checksum', { skip }, async () => {
  const served = join(scratch, 'served');
  execFileSync('mkdir', ['-p', served]);
  writeFileSync(join(served, 'file.txt'), 'served\n');
  execFileSync('touch', ['-d', '2020-01-02T03:04:05Z', join(served, 'file.txt')]);
  const server = spawn(
    'nsenter',
    [
      `--net=${daemon.engine.namespace}`,
      'python3',
      '-u',
      '-m',
      'http.server',
      '-b',
      '127.0.0.1',
      '-d',
      served,
      '8099',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  try {
    await once(server.stdout, 'data');
    const url = 'http://127.0.0.1:8099/file.txt';
    const sum = execFileSync('sha256sum', [join(served, 'file.txt')], { encoding: 'utf8' }).slice(
      0,
      64,
    );
    const add = (flags: string): string =>
      `FROM busybox\nADD ${flags} ${url} /x/\nRUN stat -c "%a %u %Y" /x/file.txt\n`;
    assert.match(await built(add(`--checksum=sha256:${sum} --chown=7`)), /^600 7 1577934245$/m);
    const wrong = await build(add(`--checksum=sha256:${'0'.repeat(64)}`));
    assert.match(wrong.stderr, /ADD failed: digest mismatch sha256:/);
    const missing = await build(`FROM busybox\nADD ${url}.none /x/\n`);
    assert.match(missing.stderr, /ADD failed: failed to GET .* with status 404/);
    // The whole context by a URL, and a Dockerfile alone.
    writeFileSync(join(served, 'Dockerfile'), 'FROM busybox\nCOPY file.txt /f\n');
    execFileSync('tar', ['-C', served, '-czf', join(served, 'ctx.tgz'), 'Dockerfile', 'file.txt']);
    const remote = await runProgram(
      [
        'curl',
        '-s',
        '--unix-socket',
        daemon.engine.socket,
        '-X',
        'POST',
        `http://d/v1.41/build?remote=${encodeURIComponent('http://127.0.0.1:8099/ctx.tgz')}`,
      ],
      process.env,
      {},
    );
    assert.match(remote.stdout, /Successfully built/);
  } finally {
    server.kill('SIGKILL');
  }
});

test('--pull asks the registry, and --platform is looked at', { skip }, async () => {
  const pulled = await build('FROM nowhere.invalid/x:1\n', '--pull');
  assert.match(pulled.stderr, /nowhere\.invalid/);
  const other = await build('FROM --platform=linux/s390x busybox\nLABEL a=b\n');
  assert.notEqual(other.code, 0);
  const scratchImage = await build(
    'FROM scratch\nLABEL a=b\n',
    '--platform',
    'linux/arm64',
    '-t',
    'arm',
  );
  assert.equal(scratchImage.code, 0, scratchImage.stderr);
  assert.equal(
    await daemon.ok('image', 'inspect', '-f', '{{.Os}}/{{.Architecture}}', 'arm'),
    'linux/arm64',
  );
});

test('nothing of a build is left in memory or on the disk', { skip }, () => {
  for (const place of ['data/build', 'run/build']) {
    const folder = join(daemon.engine.directory, place);
    assert.deepEqual(readdirSync(folder), [], place);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
  }
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  assert.doesNotMatch(mounts, new RegExp(`${daemon.engine.directory}/(?:data|run)/build`));
});

test('a failed stage ends a build of which another stage has more to tell than may wait', {
  skip,
}, async () => {
  const { code, stdout } = await build(`FROM busybox AS first
RUN sleep 1; exit 7
FROM busybox AS much
RUN head -c 20000000 /dev/zero | tr '\\0' x
FROM scratch
COPY --from=first /etc/passwd /a
COPY --from=much /etc/passwd /b
`);
  assert.equal(code, 7);
  assert.match(stdout, /^Step 4\/7/m);
});

type Cached = {
  readonly Type: string;
  readonly Description: string;
  readonly InUse: boolean;
  readonly Shared: boolean;
  readonly Size: number;
  readonly UsageCount: number;
  readonly LastUsedAt: string;
};

async function cacheMounts(): Promise<readonly Cached[]> {
  const { json } = await daemon.api('GET', '/system/df?type=build-cache');
  const { BuildCache } = json as { readonly BuildCache: readonly Cached[] };
  return BuildCache.filter(({ Type }) => Type === 'exec.cachemount');
}

test('a cache mount is in system df, and goes by builder prune unless a step holds it', {
  skip,
}, async () => {
  await daemon.ok('builder', 'prune', '-af');
  const run = (id: string, what: string): Promise<string> =>
    built(`FROM busybox\nRUN --mount=type=cache,id=${id},target=/c ${what}\n`, '--no-cache');
  await run('kept', 'head -c 5000 /dev/zero >/c/a; ln /c/a /c/b');
  await run('kept', 'true');
  const [mount] = await cacheMounts();
  assert.equal(mount?.Size, 5000);
  assert.equal(mount?.UsageCount, 2);
  assert.equal(mount?.Description, 'cached mount /c from exec /bin/sh -c true with id "kept"');
  assert.deepEqual([mount?.InUse, mount?.Shared], [false, false]);
  assert.match(await daemon.ok('system', 'df', '-v'), / +exec\.cachemount +5kB /);
  await daemon.ok('builder', 'prune', '-f', '--filter', 'until=1h');
  await daemon.ok('builder', 'prune', '-f', '--filter', 'type=regular');
  assert.equal((await cacheMounts()).length, 1);
  // It ends when the other cache that it has tells it to.
  const wait = '--mount=type=cache,id=told,target=/t touch /c/x; until test -e /t/go; do :; done';
  const held = run('held', `${wait}; ls /c`);
  while ((await cacheMounts()).every(({ InUse }) => !InUse)) await sleep(20);
  const out = await daemon.ok('builder', 'prune', '-f', '--filter', 'type=exec.cachemount');
  assert.match(out, /Total reclaimed space: 5kB/);
  assert.deepEqual(
    (await cacheMounts()).map(({ InUse }) => InUse),
    [true, true],
  );
  await run('told', 'touch /c/go');
  assert.match(await held, /^x$/m);
  assert.match(await run('held', 'ls /c'), /^x$/m);
});
