// Which engine our command line and the library speak to: contexts in docker's own files, each with
// docker's texts, and TLS with certificates of both sides.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';
import { makeAuthority } from '../fixture/certificate.ts';

const skip = cannotRun();
const CORACLE = join(ROOT, 'bin/coracle');
const PORT = 2376;
const END_MS_MAX = 15_000;
const UNSET = {
  CORACLE_HOST: undefined,
  DOCKER_HOST: undefined,
  CORACLE_CONTEXT: undefined,
  DOCKER_CONTEXT: undefined,
};

let scratch: string;
let daemon: Daemon;
/** ca.pem, cert.pem and key.pem of a client, and an authority that has signed nothing. */
let good: string;
let stranger: string;

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('context-');
  const authority = makeAuthority(scratch);
  const server = authority.sign('server', ['IP:127.0.0.1']);
  const client = authority.sign('client');
  const other = makeAuthority(scratch, 'somebody else');
  good = folderOf('good', authority.certificate, client);
  stranger = folderOf('stranger', other.certificate, other.sign('stranger'));
  daemon = await startDaemon([
    ...['-H', `tcp://127.0.0.1:${PORT}`, '--tlsverify', '--tlscacert', authority.certificateFile],
    ...['--tlscert', server.certificateFile, '--tlskey', server.keyFile],
  ]);
});
after(async () => {
  if (skip !== false) return;
  const startedAt = performance.now();
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
  // A handshake that a client broke off once held it up until it was killed.
  assert.ok(performance.now() - startedAt < END_MS_MAX, 'the daemon did not end by itself');
});

function folderOf(
  name: string,
  ca: string,
  pair: { readonly certificate: string; readonly key: string },
): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'ca.pem'), ca);
  writeFileSync(join(folder, 'cert.pem'), pair.certificate);
  writeFileSync(join(folder, 'key.pem'), pair.key);
  return folder;
}

/** In the network namespace that is the engine's host, with no engine named by the environment. */
function inside(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
  const config = { DOCKER_CONFIG: join(scratch, 'config'), ...UNSET, ...env };
  return daemon.run(['nsenter', `--net=${daemon.engine.namespace}`, ...argv], { env: config });
}

const files = (folder: string): string[] =>
  ['ca', 'cert', 'key'].flatMap((kind) => [
    `--tls${kind === 'ca' ? 'cacert' : kind}`,
    join(folder, `${kind}.pem`),
  ]);
const HOST = ['-H', `tcp://127.0.0.1:${PORT}`];

test('the command line speaks TLS by flags and by variables, streams too', { skip }, async () => {
  const run = ['run', '-i', '--rm', '--network', 'none', 'busybox', 'cat', '/proc/1/comm'];
  const byFlags = await inside([CORACLE, ...HOST, '--tlsverify', ...files(good), ...run]);
  assert.deepEqual([byFlags.stderr, byFlags.stdout], ['', 'cat\n']);
  const variables = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: good, DOCKER_HOST: HOST[1] };
  const byVariables = await inside([CORACLE, 'ps', '-q'], variables);
  assert.deepEqual([byVariables.stderr, byVariables.code], ['', 0]);
});

test('a wrong authority, a wrong certificate and no TLS at all are told apart', {
  skip,
}, async () => {
  const wrongServer = await inside([CORACLE, ...HOST, '--tlsverify', ...files(stranger), 'ps']);
  assert.equal(wrongServer.code, 1);
  assert.match(
    wrongServer.stderr,
    /error during connect to tcp:\/\/127\.0\.0\.1:2376: .*\n.*--tlscacert/,
  );
  const wrongClient = await inside([CORACLE, ...HOST, '--tls', ...files(stranger), 'ps']);
  assert.match(wrongClient.stderr, /^error during connect: .*\n.*may not accept your certificate/);
  const plain = await inside([CORACLE, ...HOST, 'ps']);
  assert.match(plain.stderr, /connect to a TLS-enabled daemon without TLS\?/);
  const missing = await inside([CORACLE, ...HOST, '--tlscacert', '/does/not/exist', 'ps']);
  assert.match(missing.stderr, /invalid TLS configuration: could not read \/does\/not\/exist/);
});

test('a context of docker’s leads our command there, and one of ours docker’s', {
  skip,
}, async () => {
  const pems = ['ca', 'cert', 'key'].map((kind) => `${kind}=${join(good, `${kind}.pem`)}`);
  const endpoint = `host=tcp://127.0.0.1:${PORT},${pems.join(',')}`;
  for (const [program, name] of [
    ['docker', 'theirs'],
    [CORACLE, 'ours'],
  ] as const) {
    const made = await inside([program, 'context', 'create', name, '--docker', endpoint]);
    assert.deepEqual([made.code, made.stdout], [0, `${name}\n`], made.stderr);
    for (const by of ['docker', CORACLE]) {
      const answer = await inside([by, '--context', name, 'version', '-f', '{{.Server.Version}}']);
      assert.deepEqual([answer.code, answer.stderr], [0, ''], `${by} in ${name}`);
    }
  }
  const [ours, theirs] = await Promise.all(
    [CORACLE, 'docker'].map((by) => inside([by, 'context', 'inspect', 'ours', 'theirs'])),
  );
  assert.equal(ours?.stdout, theirs?.stdout);
});

test('a context that one of both exports is imported by the other, with its certificates', {
  skip,
}, async () => {
  for (const [from, to, name] of [
    [CORACLE, 'docker', 'ours'],
    ['docker', CORACLE, 'theirs'],
  ] as const) {
    const file = join(scratch, `${name}.tar`);
    const written = await inside([from, 'context', 'export', name, file]);
    assert.deepEqual([written.code, written.stderr], [0, `Written file "${file}"\n`]);
    const again = await inside([from, 'context', 'export', name, file]);
    assert.equal(again.stderr, `open ${file}: file exists\n`);
    const copy = `${name}-copy`;
    const made = await inside([to, 'context', 'import', copy, file]);
    assert.deepEqual([made.code, made.stdout], [0, `${copy}\n`], made.stderr);
    const answer = await inside([to, '--context', copy, 'version', '-f', '{{.Server.Version}}']);
    assert.deepEqual([answer.code, answer.stderr], [0, '']);
  }
  const junk = await inside([CORACLE, 'context', 'import', 'junk', join(good, 'ca.pem')]);
  assert.equal(junk.code, 1);
});

test('context use is ours alone, and variables stand above it', { skip }, async () => {
  await inside([CORACLE, 'context', 'create', 'socket', '--docker', `host=${daemon.engine.host}`]);
  const used = await inside([CORACLE, 'context', 'use', 'socket']);
  assert.deepEqual([used.stdout, used.stderr], ['socket\n', 'Current context is now "socket"\n']);
  assert.equal((await inside([CORACLE, 'info', '-f', '{{.OSType}}'])).stdout, 'linux\n');
  assert.equal((await inside([CORACLE, 'context', 'show'])).stdout, 'socket\n');
  assert.equal((await inside(['docker', 'context', 'show'])).stdout, 'default\n');
  const shown = await inside([CORACLE, 'context', 'show'], { DOCKER_HOST: 'unix:///x' });
  assert.equal(shown.stdout, 'default\n');
  const list = await inside([CORACLE, 'context', 'ls', '--format', '{{.Name}} {{.Current}}']);
  assert.match(list.stdout, /^socket true$/m);
  const busy = await inside([CORACLE, 'context', 'rm', 'socket']);
  assert.equal(busy.stderr, 'context "socket" is in use, set -f flag to force remove\n');
  assert.equal((await inside([CORACLE, 'context', 'rm', '-f', 'socket'])).stdout, 'socket\n');
  assert.equal((await inside([CORACLE, 'context', 'show'])).stdout, 'default\n');
});

test('a wrong use of contexts has docker’s texts and exit codes', { skip }, async () => {
  const uses = [
    ['create', 'a b'],
    ['create', 'default'],
    ['create', 'x1', '--docker', 'hst=1'],
    ['create', 'x1', '--docker', 'host=tcp://1.1.1.1:1,ca=/does/not/exist'],
    ['inspect', 'nobody'],
    ['rm', 'default', 'nobody'],
    ['use', 'nobody'],
    ['export', 'nobody', '-'],
    ['import', 'default', '/does/not/exist'],
    ['import', 'new', '/does/not/exist'],
  ];
  for (const use of uses) {
    const [ours, theirs] = await Promise.all(
      [CORACLE, 'docker'].map((by) => inside([by, 'context', ...use])),
    );
    assert.deepEqual(ours, theirs, use.join(' '));
  }
  const both = await inside([CORACLE, '--context', 'a', '-H', 'unix:///b', 'ps']);
  assert.match(both.stderr, /cannot specify both --host and --context/);
});

test('the library speaks TLS, and says why it cannot', { skip }, async () => {
  const program = `
    import { readFileSync } from 'node:fs';
    import { Engine } from ${JSON.stringify(join(ROOT, 'dist/library.mjs'))};
    const pem = (name) => readFileSync(process.argv[1] + '/' + name + '.pem');
    const tls = { ca: pem('ca'), cert: pem('cert'), key: pem('key') };
    const engine = new Engine({ host: 'tcp://127.0.0.1:${PORT}', tls });
    try {
      const { stdout } = await engine.runToEnd('busybox', {
        command: 'cat', input: 'over TLS', network: 'none',
      });
      console.log(stdout);
    } catch (error) { console.log(error.code, error.status); }
  `;
  const argv = [process.execPath, '--input-type=module', '-e', program];
  assert.equal((await inside([...argv, good])).stdout, 'over TLS\n');
  assert.equal((await inside([...argv, stranger])).stdout, 'unavailable undefined\n');
});
