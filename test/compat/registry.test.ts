// Registries as their clients see them: the docker CLI and ours against Debian's docker-registry,
// plain, with TLS and with users, beside a real dockerd that pushes and pulls the same
// repositories.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { Engine } from '#library/index.ts';
import type { ProgressMessage } from '#wire/image.ts';
import { type Dockerd, findDockerd, startDockerd } from '../../bench/dockerd.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';
import { dir, file, tar } from '../fixture/archive.ts';
import { type Authority, makeAuthority } from '../fixture/certificate.ts';
import { NO_REGISTRY, TestRegistry } from '../fixture/registry.ts';
import { Terminal } from './terminal.ts';

// The package has no types of its own; this is what the test uses of it.
interface DockerodeClient {
  checkAuth(auth: object): Promise<unknown>;
  pull(name: string, options: object): Promise<Readable>;
  getImage(name: string): {
    push(options: object): Promise<Readable>;
    remove(options: object): Promise<unknown>;
  };
  readonly modem: {
    followProgress(
      stream: Readable,
      done: (error: Error | null, messages: readonly ProgressMessage[]) => void,
    ): void;
  };
}
const Dockerode = createRequire(import.meta.url)('dockerode') as new (
  options: object,
) => DockerodeClient;

const skip = cannotRun() || NO_REGISTRY;
const noDockerd = skip || (findDockerd() === undefined ? 'needs dockerd' : false);
const BUSYBOX = join(ROOT, 'dist/busybox.tar');
const CORACLE = join(ROOT, 'bin/coracle');
/** In the network of the test's engine nobody else has one. */
const MIRROR_PORT = 5999;
/** Not loopback, whose certificates are not looked at. */
const TLS_ADDRESS = '10.99.0.1';

let folder: string;
let authority: Authority;
let daemon: Daemon;
let plain: TestRegistry;
let tls: TestRegistry;
let users: TestRegistry;
let dockerd: Dockerd | undefined;

before(async () => {
  if (skip !== false) return;
  folder = makeScratch('registries-');
  authority = makeAuthority(folder);
  const mirror = `mirrored.test=http://127.0.0.1:${MIRROR_PORT}/`;
  daemon = await startDaemon([
    ...['--certs-dir', join(folder, 'certs.d'), '--registry-mirror', mirror],
    ...['--block-registry', '*.blocked.test', '--insecure-registry', 'insecure.test:5000'],
  ]);
  const { namespace } = daemon.engine;
  const address = TLS_ADDRESS;
  const certificate = authority.sign(address, [`IP:${address}`]);
  execFileSync('nsenter', [`--net=${namespace}`, 'ip', 'addr', 'add', address, 'dev', 'lo']);
  [plain, tls, users, dockerd] = await Promise.all([
    TestRegistry.start({ namespace }),
    TestRegistry.start({ namespace, address, tls: certificate }),
    TestRegistry.start({ namespace, users: { joe: 'se:cret' } }),
    noDockerd === false
      ? startDockerd(
          { directory: join(folder, 'dd'), execRoot: join(folder, 'ddrun'), namespace },
          BUSYBOX,
        )
      : undefined,
  ]);
});

after(async () => {
  if (skip !== false) return;
  await dockerd?.[Symbol.asyncDispose]();
  await Promise.all([plain, tls, users].map((each) => each[Symbol.asyncDispose]()));
  await daemon[Symbol.asyncDispose]();
  removeScratch(folder);
});

type Cli = (...argv: readonly string[]) => Promise<Result>;

const ROW = '{{.Repository}} {{.Tag}} {{.Digest}}';
let configs = 0;

/** One of the two command lines, with a configuration folder of its own. */
function client(program: 'docker' | 'coracle', host?: string): Cli & { readonly config: string } {
  configs += 1;
  const config = join(folder, `config-${configs}`);
  mkdirSync(config);
  const path = program === 'docker' ? 'docker' : CORACLE;
  const env = { DOCKER_CONFIG: config, ...(host === undefined ? {} : { DOCKER_HOST: host }) };
  const run: Cli = (...argv) => daemon.run([path, ...argv], { env });
  return Object.assign(run, { config });
}

async function ok(cli: Cli, ...argv: readonly string[]): Promise<string> {
  const { code, stderr, stdout } = await cli(...argv);
  assert.equal(code, 0, `${argv.join(' ')}: ${stderr}${daemon.engine.log()}`);
  return stdout;
}

/** Output without what differs from run to run. */
function normal(text: string): string {
  return (
    text
      .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')
      .replaceAll(/sha256:[0-9a-f]{64}/g, 'DIGEST')
      .replaceAll(/size: \d+/g, 'size: N')
      // Which of the two is asked first for a manifest is nobody's business.
      .replaceAll(/Head (\\?"http)/g, 'Get $1')
      .replaceAll(/^[0-9a-f]{12}: /gm, 'LAYER: ')
      // Steps that are too short to be told each time.
      .replaceAll(/^LAYER: (Verifying Checksum|Download complete|Waiting|Retrying.*)\n/gm, '')
  );
}

const digestOf = (text: string): string =>
  /sha256:[0-9a-f]{64}/.exec(text)?.[0] ?? assert.fail(text);

/** What somebody does with a registry who uses it for the first time. */
async function story(cli: Cli, host: string): Promise<readonly string[]> {
  const name = `${host}/story/app`;
  const steps = [
    ['tag', 'busybox', `${name}:1`],
    ['push', `${name}:1`],
    ['push', `${name}:1`],
    ['tag', 'busybox', `${name}:2`],
    ['push', '-a', name],
    ['tag', 'busybox', `${host}/other/app:1`],
    ['push', `${host}/other/app:1`],
    ['push', '-q', `${name}:2`],
    ['push', name],
    ['push', `${host}/nobody/app`],
    ['push', '-a', `${name}:1`],
    ['rmi', `${name}:1`, `${name}:2`],
    ['pull', `${name}:1`],
    ['pull', '-q', `${name}:1`],
    ['pull', '-a', name],
    ['pull', `${name}:none`],
    ['pull', `${host}/nobody/app`],
    ['pull', `${name}@sha256:${'0'.repeat(64)}`],
    ['pull', '-a', `${name}:1`],
    ['pull', '--platform', 'linux/amd64', `${name}:2`],
    [...['images', '--digests', '-f', `reference=${host}/*/*`], '--format', ROW],
    ['pull', '127.0.0.1:1/app'],
    ['tag', 'busybox', '127.0.0.1:1/app'],
    ['push', '127.0.0.1:1/app'],
  ];
  const told: string[] = [];
  for (const argv of steps) {
    const { code, stderr, stdout } = await cli(...argv);
    // docker shows the repositories of one image in the order of a Go map, which is none.
    const lines = argv[0] === 'images' ? stdout.split('\n').sort().join('\n') : stdout;
    told.push(normal(`$ ${argv.join(' ')}\n${lines}${stderr}=> ${code}`));
  }
  return told;
}

test('docker tells the same of this engine and of dockerd, word by word', {
  skip: noDockerd,
}, async () => {
  assert.ok(dockerd);
  const { namespace } = daemon.engine;
  await using theirs = await TestRegistry.start({ namespace });
  await using ours = await TestRegistry.start({ namespace });
  const theirCli = client('docker', dockerd.host);
  const expected = await story(theirCli, theirs.host);
  assert.deepEqual(await story(client('docker'), ours.host), expected);
});

test('both command lines tell the same', { skip }, async () => {
  const { namespace } = daemon.engine;
  await using first = await TestRegistry.start({ namespace });
  await using second = await TestRegistry.start({ namespace });
  const expected = await story(client('docker'), first.host);
  assert.deepEqual(await story(client('coracle'), second.host), expected);
});

test('what one engine pushed the other pulls, with the same digest, and skopeo reads it', {
  skip: noDockerd,
}, async () => {
  assert.ok(dockerd);
  const ours = client('docker');
  const theirs = client('docker', dockerd.host);
  for (const [from, to, name] of [
    [ours, theirs, `${plain.host}/cross/ours:1`],
    [theirs, ours, `${plain.host}/cross/theirs:1`],
  ] as const) {
    const archive = join(folder, 'cross.tar');
    writeFileSync(archive, await tar([file('who', name.repeat(1000)), dir('empty')]));
    await ok(from, 'import', archive, name);
    const digest = digestOf(await ok(from, 'push', name));
    assert.equal(digestOf(await ok(to, 'pull', name)), digest);
    const id = await ok(from, 'image', 'inspect', '-f', '{{.Id}} {{.RootFS.Layers}}', name);
    assert.equal(await ok(to, 'image', 'inspect', '-f', '{{.Id}} {{.RootFS.Layers}}', name), id);
    // From the other side again: nothing is sent, and the digest stays.
    const again = name.replace('cross', 'back');
    await ok(to, 'tag', name, again);
    assert.equal(digestOf(await ok(to, 'push', again)), digest);
    const seen = JSON.parse(
      await plain.skopeo(['inspect', '--tls-verify=false', `docker://${again}`]),
    );
    assert.equal(seen.Digest, digest);
    assert.deepEqual([seen.Os, seen.Layers.length], ['linux', 1]);
  }
});

test('users log in and out with both command lines, and what they may is kept', {
  skip,
}, async () => {
  const { host } = users;
  for (const program of ['docker', 'coracle'] as const) {
    const cli = client(program);
    const name = `${host}/users/${program}:1`;
    await ok(cli, 'tag', 'busybox', name);
    const refused = await cli('push', name);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no basic auth credentials/);
    const wrong = await cli('login', '-u', 'joe', '-p', 'wrong', host);
    const attempt = `login attempt to http://${host}/v2/ failed with status: 401 Unauthorized`;
    assert.equal(
      wrong.stderr,
      'WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n' +
        `Error response from daemon: ${attempt}\n`,
    );
    assert.equal(wrong.code, 1);
    assert.ok(!existsSync(join(cli.config, 'config.json')));
    const right = await cli('login', '-u', 'joe', '-p', 'se:cret', host);
    assert.deepEqual([right.code, right.stdout], [0, 'Login Succeeded\n']);
    assert.match(right.stderr, /^WARNING! Your credentials are stored unencrypted in '/m);
    const file = join(cli.config, 'config.json');
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
      auths: { [host]: { auth: Buffer.from('joe:se:cret').toString('base64') } },
    });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const again = await cli('login', host);
    assert.match(again.stderr, /^Authenticating with existing credentials... \[Username: joe\]$/m);
    const digest = digestOf(await ok(cli, 'push', name));
    await ok(cli, 'rmi', name);
    assert.equal(digestOf(await ok(cli, 'pull', name)), digest);
    await ok(cli, 'logout', host);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { auths: {} });
    assert.equal((await cli('pull', name)).code, 1);
  }
});

test('each command line uses what the other has kept', { skip }, async () => {
  const [docker, coracle] = [client('docker'), client('coracle')];
  const env = { DOCKER_CONFIG: docker.config };
  const name = `${users.host}/users/shared:1`;
  const login = ['login', '-u', 'joe', '--password-stdin', users.host];
  const input = 'se:cret\n';
  assert.equal((await daemon.run([CORACLE, ...login], { env, input })).code, 0);
  await ok(docker, 'tag', 'busybox', name);
  await ok(docker, 'push', name);
  const other = { env: { DOCKER_CONFIG: coracle.config }, input };
  assert.equal((await daemon.run(['docker', ...login], other)).code, 0);
  await ok(coracle, 'pull', name);
});

test('a program keeps the credentials for both command lines, and the file has none', {
  skip,
}, async () => {
  const { config } = client('coracle');
  const kept = join(config, 'kept');
  const script = `#!/bin/sh
    case $1 in
      store) cat > ${kept};;
      get) cat ${kept} 2>/dev/null || { echo credentials not found in native keychain; exit 1; };;
      erase) rm ${kept};;
    esac`;
  writeFileSync(join(config, 'docker-credential-shelf'), script, { mode: 0o755 });
  const file = join(config, 'config.json');
  writeFileSync(file, '{"credsStore": "shelf", "detachKeys": "ctrl-x"}');
  const env = { DOCKER_CONFIG: config, PATH: `${config}:${process.env['PATH']}` };
  const run = (...argv: readonly string[]) => daemon.run(argv, { env, input: 'se:cret\n' });
  const name = `${users.host}/users/kept:1`;
  await ok(client('docker'), 'tag', 'busybox', name);
  for (const [first, second] of [
    [CORACLE, 'docker'],
    ['docker', CORACLE],
  ] as const) {
    const login = await run(first, 'login', '-u', 'joe', '--password-stdin', users.host);
    assert.deepEqual([login.stdout, login.stderr], ['Login Succeeded\n', '']);
    const content = JSON.parse(readFileSync(file, 'utf8'));
    assert.deepEqual(content.auths, { [users.host]: {} });
    assert.deepEqual([content.credsStore, content.detachKeys], ['shelf', 'ctrl-x']);
    assert.equal((await run(second, 'push', name)).code, 0);
    assert.equal((await run(second, 'logout', users.host)).code, 0);
    assert.ok(!existsSync(kept));
  }
});

test('a person is asked for the name and the password, which is not shown', { skip }, async () => {
  const { config } = client('coracle');
  const env = { ...daemon.engine.env, DOCKER_CONFIG: config };
  const size = { rows: 24, cols: 80 };
  await using terminal = await Terminal.open(`${CORACLE} login ${users.host}`, size, env);
  await terminal.until(/Username: $/);
  terminal.press('joe\r');
  await terminal.until(/Password: $/);
  // Keys that take back what was typed work as at any prompt.
  terminal.press('nothing\x15se:crex\x7ft\r');
  await terminal.until(/Login Succeeded/);
  assert.ok(!terminal.shown.includes('se:cre'));
  assert.equal(await terminal.exitCode(), 0);
});

test('dockerode sends credentials with each request', { skip }, async () => {
  const docker = new Dockerode({ socketPath: daemon.engine.socket });
  const name = `${users.host}/users/dockerode:1`;
  const authconfig = { username: 'joe', password: 'se:cret', serveraddress: users.host };
  const finished = async (stream: Promise<Readable>): Promise<readonly ProgressMessage[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly ProgressMessage[]>();
    docker.modem.followProgress(await stream, (error, messages) =>
      error === null ? resolve(messages) : reject(error),
    );
    return promise;
  };
  assert.deepEqual(await docker.checkAuth(authconfig), {
    IdentityToken: '',
    Status: 'Login Succeeded',
  });
  await assert.rejects(docker.checkAuth({ ...authconfig, password: 'x' }), { statusCode: 401 });
  await ok(client('docker'), 'tag', 'busybox', name);
  const image = docker.getImage(name);
  const refused = (await finished(image.push({}))).at(-1);
  assert.equal(refused?.errorDetail?.message, 'no basic auth credentials');
  const pushed = (await finished(image.push({ authconfig }))).at(-1)?.aux as { Digest?: string };
  await image.remove({});
  await assert.rejects(docker.pull(name, {}), { statusCode: 500 });
  const pulled = await finished(docker.pull(name, { authconfig }));
  assert.ok(pulled.some(({ status }) => status === `Digest: ${pushed.Digest}`));
});

test('a private image is built from with credentials by registry, and not without', {
  skip,
}, async () => {
  const name = `${users.host}/users/library:1`;
  const cli = client('docker');
  await ok(cli, 'login', '-u', 'joe', '-p', 'se:cret', users.host);
  await ok(cli, 'tag', 'busybox', name);
  await ok(cli, 'push', name);
  await ok(cli, 'rmi', name);
  const context = await tar([file('Dockerfile', `FROM ${name}\nLABEL built=yes\n`)]);
  const joe = { username: 'joe', password: 'se:cret' };
  const hosts = dockerd === undefined ? [] : [dockerd.host];
  for (const host of [daemon.engine.host, ...hosts]) {
    const { images } = new Engine({ host });
    for (const auths of [{}, { 'other.test': joe }, { [users.host]: { ...joe, password: '?' } }]) {
      await assert.rejects(images.build(context, { auths }), /no basic auth|unauthorized/);
    }
    // A key of old, and a password whose base64 needs its padding, or none.
    for (const auths of [
      { [users.host]: joe },
      { [`http://${users.host}/v1/`]: joe },
      { [users.host]: joe, 'o.test': joe },
      { [users.host]: joe, 'ot.test': joe },
    ]) {
      const image = await images.build(context, { auths, pull: true });
      assert.equal((await image.inspect()).Config?.Labels?.['built'], 'yes');
      await image.remove();
      await images.get(name).remove();
    }
  }
  const place = join(folder, 'private');
  mkdirSync(place);
  writeFileSync(join(place, 'Dockerfile'), `FROM ${name}\n`);
  const coracle = client('coracle');
  const refused = await coracle('build', place);
  assert.deepEqual([refused.code, /no basic auth/.test(refused.stderr)], [1, true]);
  await ok(coracle, 'login', '-u', 'joe', '-p', 'se:cret', users.host);
  await ok(coracle, 'build', place);
});

test('a registry with TLS of a private authority is trusted by certs.d alone', {
  skip,
}, async () => {
  const cli = client('docker');
  const name = `${tls.host}/tls/app:1`;
  await ok(cli, 'tag', 'busybox', name);
  const unknown = await cli('push', name);
  assert.match(unknown.stderr, /x509: certificate signed by unknown authority/);
  const trusted = join(folder, 'certs.d', tls.host);
  mkdirSync(trusted, { recursive: true });
  writeFileSync(join(trusted, 'ca.crt'), authority.certificate);
  const digest = digestOf(await ok(cli, 'push', name));
  await ok(cli, 'rmi', name);
  assert.equal(digestOf(await ok(cli, 'pull', name)), digest);
});

test('a mirror is asked for its registry, a blocked one nobody, and info tells of both', {
  skip,
}, async () => {
  const { namespace } = daemon.engine;
  await using mirror = await TestRegistry.start({ namespace, port: MIRROR_PORT });
  const cli = client('docker');
  await ok(cli, 'tag', 'busybox', `${mirror.host}/team/app:1`);
  const digest = digestOf(await ok(cli, 'push', `${mirror.host}/team/app:1`));
  const pulled = await ok(cli, 'pull', 'mirrored.test/team/app:1');
  assert.equal(digestOf(pulled), digest);
  const text = 'is blocked by the configuration of this engine';
  for (const verb of ['pull', 'push']) {
    const name = 'any.blocked.test/app:1';
    if (verb === 'push') await ok(cli, 'tag', 'busybox', name);
    const { code, stderr } = await cli(verb, name);
    assert.equal(code, 1);
    assert.equal(stderr, `Error response from daemon: registry any.blocked.test ${text}\n`);
  }
  const info = JSON.parse(await ok(cli, 'info', '-f', '{{json .RegistryConfig}}'));
  const index = { Name: 'insecure.test:5000', Mirrors: [], Secure: false, Official: false };
  assert.deepEqual(info.IndexConfigs['insecure.test:5000'], index);
  assert.deepEqual(info.IndexConfigs['mirrored.test'].Mirrors, [`http://${mirror.host}/`]);
  assert.deepEqual(info.InsecureRegistryCIDRs, ['::1/128', '127.0.0.0/8']);
});

test('run and create pull what is missing, unless they are told not to', { skip }, async () => {
  const cli = client('coracle');
  const name = `${plain.host}/run/app:1`;
  await ok(cli, 'tag', 'busybox', name);
  await ok(cli, 'push', name);
  const gone = () => ok(cli, 'rmi', name);
  const hello = ['--network', 'none', '--rm'];
  await gone();
  const never = await cli('run', '--pull', 'never', ...hello, name, 'echo', 'hello');
  assert.deepEqual([never.code, never.stdout], [125, '']);
  assert.match(never.stderr, /No such image: /);
  const missing = await cli('run', ...hello, name, 'echo', 'hello');
  assert.deepEqual([missing.code, missing.stdout], [0, 'hello\n']);
  assert.ok(missing.stderr.startsWith(`Unable to find image '${name}' locally\n1: Pulling from `));
  const here = await cli('run', ...hello, name, 'echo', 'hello');
  assert.equal(here.stderr, '');
  const always = await cli('run', '--pull', 'always', ...hello, name, 'echo', 'hello');
  assert.match(always.stderr, /Status: Image is up to date for /);
  await gone();
  const quiet = await cli('run', '-q', ...hello, name, 'echo', 'hello');
  assert.deepEqual([quiet.stdout, quiet.stderr], ['hello\n', '']);
  const none = await cli('create', `${plain.host}/run/none`);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /manifest for .*\/run\/none:latest not found: manifest unknown/);
});

test('a root file system is imported from a URL', { skip }, async () => {
  await plain.fill(`docker-archive:${BUSYBOX}`, 'roots:1');
  const ask = ['inspect', '--tls-verify=false', '--raw', `docker://${plain.host}/roots:1`];
  const manifest = await plain.skopeo(ask);
  const url = `${plain.url}/v2/roots/blobs/${JSON.parse(manifest).layers[0].digest}`;
  for (const cli of [client('coracle'), client('docker')]) {
    assert.match(await ok(cli, 'import', url, 'roots:1'), /sha256:[0-9a-f]{64}\n$/);
    const history = await ok(cli, 'history', '--format', '{{.Comment}}', 'roots:1');
    assert.equal(history, `Imported from ${url}\n`);
    await ok(cli, 'rmi', 'roots:1');
    const none = await cli('import', `${plain.url}/none`, 'roots:1');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^Error response from daemon: cannot fetch .*: the answer is 404 /);
    const closed = await cli('import', 'http://127.0.0.1:1/x');
    assert.match(closed.stderr, /^Error response from daemon: Get "http:\/\/127\.0\.0\.1:1\/x": /);
  }
});

test('an image of another platform is run with a warning, or pulled where it was asked for', {
  skip,
}, async () => {
  const name = `${plain.host}/platform/app:1`;
  const other = join(folder, 'platform.tar');
  writeFileSync(other, await tar([file('a', 'a')]));
  for (const cli of [client('coracle'), client('docker')]) {
    await ok(cli, 'tag', 'busybox', name);
    await ok(cli, 'push', name);
    await ok(cli, 'import', '--platform', 'linux/s390x', other, name);
    const wrong = await cli('create', name, 'true');
    assert.match(wrong.stderr, /WARNING: The requested image's platform \(linux\/s390x\) does not/);
    const never = await cli('create', '--pull', 'never', '--platform', 'linux', name, 'true');
    assert.equal(never.code, 1);
    assert.match(never.stderr, /was found but its platform \(linux\/s390x\) does not match/);
    const refused =
      'image with reference .* was found but its platform \\(linux/s390x\\) does not match';
    for (const verb of [['history'], ['image', 'inspect']]) {
      await ok(cli, ...verb, '--platform', 'linux/s390x', name);
      const { code, stderr } = await cli(...verb, '--platform', 'linux/arm64', name);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`${refused} the specified platform \\(linux/arm64\\)`));
    }
    const archive = join(folder, 'saved.tar');
    await ok(cli, 'save', '-o', archive, '--platform', 'linux/s390x', name);
    const unsaved = await cli('save', '-o', archive, '--platform', 'linux/arm64', name);
    assert.equal(unsaved.code, 1);
    assert.match(unsaved.stderr, /no suitable export target found for platform linux\/arm64/);
    await ok(cli, 'save', '-o', archive, name);
    // As by dockerd: nothing is loaded, and nothing is told.
    assert.equal(await ok(cli, 'load', '-i', archive, '--platform', 'linux/arm64'), '');
    const loaded = await ok(cli, 'load', '-i', archive, '--platform', 'linux/s390x');
    assert.match(loaded, /^Loaded image: /);
    const argv = ['--rm', '--network', 'none', '--platform', 'linux', name, 'echo', 'hello'];
    const right = await cli('run', ...argv);
    assert.deepEqual([right.code, right.stdout], [0, 'hello\n'], right.stderr);
    await ok(cli, 'rm', wrong.stdout.trim());
    await ok(cli, 'rmi', name);
  }
});

test('the answers of the registry endpoints are those of dockerd', {
  skip: noDockerd,
}, async () => {
  assert.ok(dockerd);
  const theirHost = dockerd.host;
  const cli = client('docker');
  const name = `${plain.host}/api/app`;
  await ok(cli, 'tag', 'busybox', `${name}:1`);
  await ok(cli, 'push', `${name}:1`);
  await ok(client('docker', theirHost), 'pull', `${name}:1`);
  const ask = async (
    host: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<string> => {
    const json = body === undefined ? [] : ['-d', JSON.stringify(body)];
    const url = `http://d/v1.41${path}`;
    const curl = ['curl', '-s', '-X', method, '-w', '\n%{http_code}', ...json];
    const type = ['-H', 'Content-Type: application/json'];
    const socket = ['--unix-socket', host.replace('unix://', '')];
    return (await daemon.run([...curl, ...type, ...socket, url])).stdout;
  };
  const auth = (serveraddress: string) => ({ username: 'joe', password: 'se:cret', serveraddress });
  for (const [method, path, body] of [
    ['GET', `/distribution/${name}:1/json`],
    ['GET', `/distribution/${name}:none/json`],
    ['GET', '/distribution/127.0.0.1:1/app/json'],
    ['POST', '/auth', auth(users.host)],
    ['POST', '/auth', auth(plain.host)],
    ['POST', '/auth', auth('127.0.0.1:1')],
    ['POST', `/images/create?fromImage=${name}&tag=1`],
    ['POST', `/images/create?fromImage=${name}&tag=none`],
    ['POST', `/images/create?fromImage=127.0.0.1:1/app&tag=1`],
    ['POST', `/images/create?fromImage=${users.host}/users/app&tag=1`],
  ] as const) {
    const ours = await ask(daemon.engine.host, method, path, body);
    const theirs = await ask(theirHost, method, path, body);
    assert.equal(normal(ours), normal(theirs), `${method} ${path}`);
  }
});
