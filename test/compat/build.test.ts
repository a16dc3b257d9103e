// Builds as their clients ask for them: the docker command with its classic builder, compose 1.29,
// dockerode, docker-py and testcontainers.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotRun, type Daemon, type Result, runProgram, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const CLASSIC = { DOCKER_BUILDKIT: '0' };
const CLIENT_MS_MAX = 60_000;
const WAIT_MS_MAX = 10_000;
const POLL_MS = 20;
let daemon: Daemon;
const scratch = mkdtempSync(join(tmpdir(), 'coracle-test-build-'));

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

async function context(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(scratch, name);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

function build(...argv: readonly string[]): Promise<Result> {
  return runProgram(['docker', 'build', ...argv], daemon.engine.env, {
    env: { ...daemon.engine.env, ...CLASSIC },
    timeoutMs: CLIENT_MS_MAX,
  });
}

async function built(...argv: readonly string[]): Promise<string> {
  const { code, stderr, stdout } = await build(...argv);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

function buildText(text: string, ...argv: readonly string[]): Promise<Result> {
  return runProgram(['docker', 'build', ...argv, '-'], daemon.engine.env, {
    env: { ...daemon.engine.env, ...CLASSIC },
    input: text,
    timeoutMs: CLIENT_MS_MAX,
  });
}

const inspect = (name: string, format: string): Promise<string> =>
  daemon.ok('image', 'inspect', '-f', format, name);

function plain(text: string): string {
  return text.replace(/(?<=---> |Running in |container |built )[0-9a-f]{12}\b/g, 'ID');
}

test('docker build tells its steps as dockerd does, and names the image', { skip }, async () => {
  const folder = await context('plain', {
    Dockerfile: 'FROM busybox\nCOPY a /a\nRUN cat /a; echo oops >&2\nCMD ["cat", "/a"]\n',
    a: 'hello\n',
  });
  const iidfile = join(scratch, 'iid');
  const tags = ['-t', 'plain', '-t', 'other.example/plain:2'];
  const out = await built(...tags, '--iidfile', iidfile, folder);
  const steps = [
    ...['Step 1/4 : FROM busybox', ' ---> ID', 'Step 2/4 : COPY a /a', ' ---> ID'],
    ...['Step 3/4 : RUN cat /a; echo oops >&2', ' ---> Running in ID', 'hello', 'oops'],
    ...['Removing intermediate container ID', ' ---> ID'],
    ...['Step 4/4 : CMD ["cat", "/a"]', ' ---> ID'],
    ...['Successfully built ID', 'Successfully tagged plain:latest'],
    'Successfully tagged other.example/plain:2',
  ];
  const shown = plain(out).split('\n');
  assert.deepEqual(
    shown.filter((line) => steps.includes(line)),
    steps,
    out,
  );
  assert.equal(await readFile(iidfile, 'utf8'), await inspect('plain', '{{.Id}}'));
  assert.equal(
    await daemon.ok('run', '--rm', '--network', 'none', 'other.example/plain:2'),
    'hello',
  );
  assert.match(
    await daemon.ok('history', '--no-trunc', 'plain'),
    /#\(nop\) COPY file:[0-9a-f]{64}/,
  );
});

test('a build that is the same again takes every step from the cache', { skip }, async () => {
  const files = {
    Dockerfile: 'FROM busybox\nWORKDIR /w\nCOPY . .\nRUN echo made >x\nENV a=1\n',
    a: 'one',
    b: 'two',
  };
  const folder = await context('again', files);
  await built('-t', 'again', folder);
  const first = await inspect('again', '{{.Id}}');
  assert.equal((await built('-t', 'again', folder)).match(/Using cache/g)?.length, 4);
  assert.equal(await inspect('again', '{{.Id}}'), first);
  // A mode is content, a time is not.
  await runProgram(['touch', '-d', '2001-01-01', join(folder, 'a')], process.env, {});
  assert.equal((await built(folder)).match(/Using cache/g)?.length, 4);
  await runProgram(['chmod', '+x', join(folder, 'a')], process.env, {});
  assert.equal((await built(folder)).match(/Using cache/g)?.length, 1);
  await writeFile(join(folder, 'b'), 'three');
  assert.equal((await built(folder)).match(/Using cache/g)?.length, 1);
  assert.doesNotMatch(await built('--no-cache', folder), /Using cache/);
});

test('what a variable says counts, also in flags', { skip }, async () => {
  const folder = await context('flags', {
    Dockerfile: 'FROM busybox\nARG m\nCOPY --chmod=$m a /a\nRUN stat -c %a /a\n',
    a: '',
  });
  assert.match(await built('--build-arg', 'm=600', folder), /^600$/m);
  assert.match(await built('--build-arg', 'm=640', folder), /^640$/m);
});

test('the cache takes nothing from an image that others made, unless told to', {
  skip,
}, async () => {
  const folder = await context('poison', {
    Dockerfile: 'FROM busybox\nRUN echo good >/who\n',
  });
  // An image with the same history words, but another layer.
  const made = await daemon.ok('create', '--network', 'none', 'busybox', 'true');
  const bad = join(scratch, 'who');
  writeFileSync(bad, 'bad\n');
  await daemon.ok('cp', bad, `${made}:/who`);
  await daemon.ok('commit', made, 'poison:base');
  await daemon.ok('rm', made);
  const archive = join(scratch, 'poison.tar');
  await daemon.ok('save', '-o', archive, 'poison:base');
  await rewriteHistory(archive, '/bin/sh -c echo good >/who');
  await daemon.ok('load', '-i', archive);
  assert.doesNotMatch(await built('-t', 'mine', folder), /Using cache/);
  assert.equal(await daemon.ok('run', '--rm', '--network', 'none', 'mine', 'cat', '/who'), 'good');
  await daemon.ok('builder', 'prune', '-af');
  const trusting = await built('-t', 'mine', '--cache-from', 'poison:base', folder);
  assert.match(trusting, /Using cache/);
  assert.equal(await daemon.ok('run', '--rm', '--network', 'none', 'mine', 'cat', '/who'), 'bad');
});

/** Of the last entry in the image of an archive of `docker save`. */
async function rewriteHistory(archive: string, createdBy: string): Promise<void> {
  const script = [
    'import hashlib, io, json, sys, tarfile',
    'path, words = sys.argv[1:]',
    'files = {}',
    'with tarfile.open(path) as t:',
    '    for m in t.getmembers():',
    '        if m.isfile(): files[m.name] = t.extractfile(m).read()',
    "manifest = json.loads(files['manifest.json'])",
    "config = json.loads(files.pop(manifest[0]['Config']))",
    "config['history'][-1]['created_by'] = words",
    'raw = json.dumps(config).encode()',
    "name = hashlib.sha256(raw).hexdigest() + '.json'",
    "manifest[0]['Config'] = name",
    'files[name] = raw',
    "files['manifest.json'] = json.dumps(manifest).encode()",
    "for extra in ('index.json', 'oci-layout', 'repositories'): files.pop(extra, None)",
    "with tarfile.open(path, 'w') as t:",
    '    for name, data in files.items():',
    '        info = tarfile.TarInfo(name); info.size = len(data)',
    '        t.addfile(info, io.BytesIO(data))',
  ].join('\n');
  const { code, stderr } = await runProgram(
    ['python3', '-c', script, archive, createdBy],
    process.env,
    {},
  );
  assert.equal(code, 0, stderr);
}

test('two builds with SOURCE_DATE_EPOCH and no cache are one image', { skip }, async () => {
  const folder = await context('epoch', {
    Dockerfile: [
      'FROM busybox AS make',
      'RUN mkdir /out && for i in 1 2 3 4 5; do echo $i >/out/$i; done && ln /out/1 /out/z',
      'FROM busybox',
      'WORKDIR /w/x',
      'COPY . .',
      'COPY --from=make /out /out',
      'RUN date +%N >/dev/null; touch /stamp; mkdir -p /a/b; rm /out/2',
      'COPY <<EOF /inline',
      'text',
      'EOF',
    ].join('\n'),
    'c/d': 'text',
  });
  const once = async (): Promise<string> => {
    const argv = [
      '--no-cache',
      '--build-arg',
      'SOURCE_DATE_EPOCH=1700000000',
      '-t',
      'epoch',
      folder,
    ];
    await built(...argv);
    return inspect('epoch', '{{.Id}} {{.Created}} {{json .RootFS.Layers}}');
  };
  const first = await once();
  await sleep(1_100);
  assert.equal(await once(), first);
  assert.match(first, / 2023-11-14T22:13:20Z /);
});

test('a command that fails ends docker with its code, and leaves nothing', { skip }, async () => {
  const { code, stderr } = await buildText('FROM busybox\nRUN exit 42\n');
  assert.equal(code, 42);
  assert.match(stderr, /The command '\/bin\/sh -c exit 42' returned a non-zero code: 42/);
  assert.equal(await daemon.ok('ps', '-aq'), '');
  const kept = await buildText('FROM busybox\nRUN exit 42\n', '--rm=false');
  assert.equal(kept.code, 42);
  assert.match(await daemon.ok('ps', '-a', '--format', '{{.Status}}'), /^Exited \(42\)/);
  await daemon.ok('container', 'prune', '-f');
});

test('what is wrong is told with its line, before anything runs', { skip }, async () => {
  const { code, stderr } = await buildText('FROM busybox\nRUN true\nCOPPY a b\n');
  assert.equal(code, 1);
  assert.match(
    stderr,
    /dockerfile parse error on line 3: unknown instruction: COPPY \(did you mean COPY\?\)/,
  );
});

test('a Dockerfile from stdin, a context from stdin, -q, -f and --target', { skip }, async () => {
  const quiet = await buildText('FROM busybox\nLABEL a=b\n', '-q');
  assert.match(quiet.stdout, /^sha256:[0-9a-f]{64}\n$/);
  const folder = await context('targets', {
    'sub/Dockerfile.x': 'FROM busybox AS one\nLABEL s=1\nFROM one AS two\nLABEL s=2\n',
  });
  const tar = await runProgram(
    [
      'sh',
      '-c',
      `tar -C ${folder} -cz . | docker build -t stdin -f sub/Dockerfile.x --target one -`,
    ],
    {},
    {
      env: { ...daemon.engine.env, ...CLASSIC },
    },
  );
  assert.equal(tar.code, 0, tar.stdout + tar.stderr);
  assert.equal(await inspect('stdin', '{{.Config.Labels.s}}'), '1');
  await built('-t', 'file', '-f', join(folder, 'sub/Dockerfile.x'), '--label', 'x=y z', folder);
  assert.equal(await inspect('file', '{{json .Config.Labels}}'), '{"s":"2","x":"y z"}');
});

test('stages run side by side, and are told one after the other', { skip }, async () => {
  // Each waits for the marks of all: one after the other, the first would wait for good.
  const names = ['one', 'two', 'three'];
  const met = names.map((name) => `-e /marks/${name}`).join(' -a ');
  const wait = `n=0; until [ ${met} ]; do n=$((n+1)); [ $n -lt 400 ] || exit 9; sleep 0.05; done`;
  const stage = (name: string): string =>
    `FROM busybox AS ${name}\nRUN --mount=type=cache,id=marks,target=/marks ` +
    `echo ${name}-begins; touch /marks/${name}; ${wait}; echo ${name}-ends; touch /${name}\n`;
  const last = `FROM busybox\n${names.map((name) => `COPY --from=${name} /${name} /\n`).join('')}`;
  const { code, stdout } = await buildText(names.map(stage).join('') + last, '--network', 'none');
  assert.equal(code, 0, stdout);
  const told = stdout.match(/^(?:one|two|three)-(?:begins|ends)$/gm);
  assert.deepEqual(
    told,
    names.flatMap((name) => [`${name}-begins`, `${name}-ends`]),
  );
  const steps = [...stdout.matchAll(/^Step (\d+)\/10/gm)].map(([, step]) => Number(step));
  assert.deepEqual(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('a build whose client goes ends at once, and leaves nothing', { skip }, async () => {
  const running = runProgram(['docker', 'build', '--network', 'none', '-'], daemon.engine.env, {
    env: { ...daemon.engine.env, ...CLASSIC },
    input: 'FROM busybox\nRUN trap "" TERM INT; sleep 1000\n',
    timeoutMs: 1_500,
  });
  await running;
  const deadline = performance.now() + WAIT_MS_MAX;
  while ((await daemon.ok('ps', '-aq')) !== '' && performance.now() < deadline)
    await sleep(POLL_MS);
  assert.equal(await daemon.ok('ps', '-aq'), '');
  for (const place of ['data/build', 'run/build']) {
    const folder = join(daemon.engine.directory, place);
    while (readdirSync(folder).length > 0 && performance.now() < deadline) await sleep(POLL_MS);
    assert.deepEqual(readdirSync(folder), []);
  }
});

test('a cache is listed, and pruned with its layers', { skip }, async () => {
  await daemon.ok('builder', 'prune', '-af');
  await buildText('FROM busybox\nRUN head -c 300000 /dev/zero >/big\n', '--network', 'none');
  const rows = await daemon.ok('system', 'df', '--format', '{{.Type}} {{.TotalCount}}');
  assert.match(rows, /^Build Cache 1$/m);
  await daemon.ok('image', 'prune', '-f');
  assert.match(await daemon.ok('builder', 'prune', '-f'), /Total reclaimed space: 3\d\d/);
  assert.match(
    await daemon.ok('system', 'df', '--format', '{{.Type}} {{.TotalCount}}'),
    /^Build Cache 0$/m,
  );
});

test('compose 1.29 builds, and builds what it brings up', { skip }, async (t) => {
  const folder = await context('compose', {
    'docker-compose.yml': [
      "version: '3.4'",
      'services:',
      '  web:',
      '    build:',
      '      context: .',
      '      args: { word: composed }',
      '      labels: { from: compose }',
      '      target: final',
      '    network_mode: none',
      '    command: cat /word',
    ].join('\n'),
    Dockerfile: 'FROM busybox AS final\nARG word\nRUN echo $word >/word\nFROM busybox\nRUN false\n',
  });
  const compose = (...argv: readonly string[]): Promise<Result> =>
    runProgram(
      [
        'docker-compose',
        '--project-directory',
        folder,
        '-f',
        join(folder, 'docker-compose.yml'),
        ...argv,
      ],
      {},
      {
        env: { ...daemon.engine.env, ...CLASSIC, COMPOSE_DOCKER_CLI_BUILD: '0' },
        timeoutMs: CLIENT_MS_MAX,
      },
    );
  if ((await compose('version')).code !== 0) return t.skip('needs docker-compose');
  const made = await compose('build');
  assert.equal(made.code, 0, made.stdout + made.stderr);
  assert.equal(await inspect('compose_web', '{{.Config.Labels.from}}'), 'compose');
  await daemon.ok('rmi', 'compose_web');
  const up = await compose('up', '--build', '--no-color');
  assert.match(up.stdout, /composed/, up.stdout + up.stderr);
  assert.equal((await compose('down', '--rmi', 'all')).code, 0);
});

test('dockerode and docker-py build, and read the id', { skip }, async () => {
  const folder = await context('clients', { Dockerfile: 'FROM busybox\nCOPY x /x\n', x: 'X' });
  type Modem = {
    followProgress(
      stream: unknown,
      done: (error: unknown, lines: readonly { aux?: { ID: string } }[]) => void,
    ): void;
  };
  type Client = {
    buildImage(file: object, options: object): Promise<unknown>;
    readonly modem: Modem;
  };
  const Docker = createRequire(import.meta.url)('dockerode') as new (options: object) => Client;
  const client = new Docker({ socketPath: daemon.engine.socket });
  const stream = await client.buildImage(
    { context: folder, src: ['Dockerfile', 'x'] },
    { t: 'rode' },
  );
  const { promise, resolve, reject } = Promise.withResolvers<readonly { aux?: { ID: string } }[]>();
  client.modem.followProgress(stream, (error, lines) => (error ? reject(error) : resolve(lines)));
  const id = (await promise).find(({ aux }) => aux !== undefined)?.aux?.ID;
  assert.equal(id, await inspect('rode', '{{.Id}}'));
  const script = `import docker; c = docker.DockerClient(base_url="${daemon.engine.host}"); i, log = c.images.build(path="${folder}", tag="py", rm=True); print(i.id)\ntry: c.images.build(fileobj=__import__("io").BytesIO(b"FROM busybox\\nRUN exit 3"))\nexcept docker.errors.BuildError as e: print(e)`;
  const python = await runProgram(['python3', '-c', script], process.env, {});
  assert.match(
    python.stdout,
    /^sha256:[0-9a-f]{64}\nThe command .* returned a non-zero code: 3\n$/,
    python.stderr,
  );
});

test('testcontainers builds from a Dockerfile', { skip }, async (t) => {
  const folder = await context('tc', {
    Dockerfile: 'FROM busybox\nARG w=0\nRUN echo $w >/w\nCMD ["sleep", "1000"]\n',
  });
  const library = join(import.meta.dirname, '../../node_modules/testcontainers');
  if (!existsSync(library)) return t.skip('needs testcontainers');
  const script = `
    const { GenericContainer } = require(${JSON.stringify(library)});
    (async () => {
      const image = await GenericContainer.fromDockerfile(${JSON.stringify(folder)}).withBuildArgs({ w: 'tc' }).build('tc:1', { deleteOnExit: false });
      const c = await image.withNetworkMode('none').start();
      const { output } = await c.exec(['cat', '/w']);
      console.log(output.trim());
      await c.stop();
    })();`;
  const { stdout, stderr, code } = await runProgram(
    [process.execPath, '-e', script],
    daemon.engine.env,
    {
      env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
      timeoutMs: CLIENT_MS_MAX,
    },
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^tc$/m);
});
