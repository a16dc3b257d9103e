// RUN --mount=type=ssh with OpenSSH's own agent at the client and its ssh-add in the step, over the
// unix socket and over TLS.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Engine } from '#library/index.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';
import { contextArchive } from '../fixture/build-client.ts';
import { makeAuthority } from '../fixture/certificate.ts';

const hasTools = ['ssh-agent', 'ssh-add', 'ssh-keygen'].every(
  (name) => spawnSync('which', [name]).status === 0,
);
const skip = cannotRun() || (hasTools ? false : 'needs OpenSSH');
const CORACLE = join(ROOT, 'bin/coracle');
const PORT = 2376;
const WAIT_MS_MAX = 10_000;
const scratch = mkdtempSync(join(tmpdir(), 'coracle-build-ssh-'));
let daemon: Daemon;
let tls: readonly string[] = [];
const agents = new Map<string, { readonly socket: string; readonly pid: number }>();

before(async () => {
  if (skip !== false) return;
  const authority = makeAuthority(scratch);
  const server = authority.sign('server', ['IP:127.0.0.1']);
  const client = authority.sign('client');
  daemon = await startDaemon([
    ...['-H', `tcp://127.0.0.1:${PORT}`, '--tlsverify', '--tlscacert', authority.certificateFile],
    ...['--tlscert', server.certificateFile, '--tlskey', server.keyFile],
  ]);
  tls = [
    ...['-H', `tcp://127.0.0.1:${PORT}`, '--tlsverify', '--tlscacert', authority.certificateFile],
    ...['--tlscert', client.certificateFile, '--tlskey', client.keyFile],
  ];
  for (const name of ['first', 'second']) startAgent(name);
  await makeImage();
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  for (const { pid, socket } of agents.values()) {
    process.kill(pid);
    // It removes its socket by itself, which must not meet the removal of all.
    await eventually('an agent does not end', () => !existsSync(socket));
  }
  rmSync(scratch, { recursive: true, force: true });
});

function makeKey(name: string, passphrase = ''): string {
  const path = join(scratch, name);
  const how = ['-q', '-t', 'ed25519', '-N', passphrase, '-C', `key-${name}`, '-f', path];
  execFileSync('ssh-keygen', how);
  return path;
}

function startAgent(name: string): void {
  const socket = join(scratch, `${name}.sock`);
  const told = execFileSync('ssh-agent', ['-s', '-a', socket], { encoding: 'utf8' });
  agents.set(name, { socket, pid: Number(/SSH_AGENT_PID=(\d+)/.exec(told)?.[1]) });
  execFileSync('ssh-add', ['-q', makeKey(name)], {
    env: { ...process.env, SSH_AUTH_SOCK: socket },
  });
}

const socketOf = (name: string): string => agents.get(name)?.socket ?? '';

/** busybox with the host's OpenSSH and the libraries that it names. */
async function makeImage(): Promise<void> {
  const root = join(scratch, 'image/root');
  const copy = (from: string, to: string): void => {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    copyFileSync(from, join(root, to));
    chmodSync(join(root, to), 0o755);
  };
  for (const name of ['ssh-add', 'ssh-keygen']) {
    const [program = ''] = execFileSync('which', [name], { encoding: 'utf8' }).split('\n');
    copy(program, `/usr/bin/${name}`);
    const libraries = execFileSync('ldd', [program], { encoding: 'utf8' });
    for (const [, path = ''] of libraries.matchAll(/(\/\S+) \(0x/g)) copy(path, path);
  }
  writeFileSync(join(scratch, 'image/Dockerfile'), 'FROM busybox\nCOPY root/ /\n');
  const { code, stderr } = await daemon.run([
    CORACLE,
    'build',
    '-t',
    'ssh',
    join(scratch, 'image'),
  ]);
  assert.equal(code, 0, stderr);
}

function build(text: string, ...argv: readonly string[]): Promise<Result> {
  return buildAt([], text, argv);
}

function buildAt(
  where: readonly string[],
  text: string,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Result> {
  const command = [CORACLE, ...where, 'build', '--network', 'none', '--no-cache', ...argv, '-'];
  const own = { SSH_AUTH_SOCK: socketOf('first'), ...env };
  const far = where.length === 0 ? [] : ['nsenter', `--net=${daemon.engine.namespace}`];
  return daemon.run([...far, ...command], { input: text, env: own });
}

const steps = (...lines: readonly string[]): string => ['FROM ssh', ...lines].join('\n');
const SEEN = /^#\d+ [\d.]+ 256 SHA256:\S+ key-first \(ED25519\)$/m;

function leftovers(): readonly string[] {
  return readdirSync(join(daemon.engine.directory, 'run/build'));
}

async function eventually(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + WAIT_MS_MAX;
  while (!(await is())) {
    assert.ok(performance.now() < until, what);
    await sleep(20);
  }
}

test('a step asks the client’s agent, the next one cannot, and the image knows nothing', {
  skip,
}, async () => {
  const text = steps(
    'RUN --mount=type=ssh ssh-add -l && stat -c "%a %u %g %F $SSH_AUTH_SOCK" $SSH_AUTH_SOCK',
    'RUN echo "then: ${SSH_AUTH_SOCK:-none}"; ls -a /run/buildkit 2>&1; ssh-add -l 2>&1 || true',
    'RUN --mount=type=ssh,target=/my/sock,uid=7,gid=8,mode=0640 stat -c "%a %u %g %n" /my/sock',
    'RUN --mount=type=ssh ssh-add -D; ssh-add -x </dev/null; ssh-add -l >/dev/null && echo still',
  );
  const { code, stderr } = await build(text, '--ssh', 'default', '-t', 'asked');
  assert.equal(code, 0, stderr);
  assert.match(stderr, SEEN);
  assert.match(stderr, /600 0 0 socket \/run\/buildkit\/ssh_agent\.0$/m);
  assert.match(stderr, /then: none$/m);
  assert.match(stderr, /\/run\/buildkit: No such file/);
  assert.match(stderr, /Could not open a connection to your authentication agent/);
  assert.match(stderr, /640 7 8 \/my\/sock$/m);
  assert.match(stderr, /Failed to remove all identities/);
  assert.match(stderr, /still$/m);
  assert.match(await daemon.ok('history', '--no-trunc', 'asked'), /ssh-add -l/);
  const told = [
    await daemon.ok('history', '--no-trunc', 'asked'),
    await daemon.ok('image', 'inspect', 'asked'),
  ].join('\n');
  assert.doesNotMatch(
    told.replaceAll('$SSH_AUTH_SOCK', ''),
    /SSH_AUTH_SOCK=|ssh_agent|coracle-build-ssh/,
  );
  const saved = join(scratch, 'saved.tar');
  await daemon.ok('save', '-o', saved, 'asked');
  const unpacked = join(scratch, 'saved');
  mkdirSync(unpacked);
  execFileSync('tar', ['-C', unpacked, '-xf', saved]);
  // Names in the headers of layers end with NUL; the words of the history do not.
  const holding = async (pattern: string): Promise<string> =>
    (await daemon.run(['grep', '-rlaP', pattern, unpacked])).stdout;
  assert.notEqual(await holding('usr/bin/ssh-add\\x00'), '', 'layers can be searched');
  const traces = 'ssh_agent\\.|SSH_AUTH_SOCK=/|my/sock\\x00|run/buildkit/?\\x00';
  assert.equal(await holding(traces), '', 'a layer or the config has it');
  assert.deepEqual(leftovers(), []);
  const found = await daemon.run([
    'grep',
    '-rlE',
    'first\\.sock|ssh_agent\\.0$',
    join(daemon.engine.directory, 'data'),
  ]);
  assert.equal(found.stdout, '');
});

test('over TLS it is the agent of the client’s machine', { skip }, async () => {
  const text = steps(
    'RUN --mount=type=ssh,required=true ssh-add -l; ssh-add -L | cut -c1-11',
    'RUN --mount=type=ssh ssh-add -L >/k && echo x | ssh-keygen -Y sign -n file -f /k',
  );
  const { code, stderr } = await buildAt(tls, text, ['--ssh', 'default']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, SEEN);
  assert.match(stderr, /ssh-ed25519$/m);
  assert.match(stderr, /BEGIN SSH SIGNATURE/);
});

test('two agents are told apart, by steps side by side as well', { skip }, async () => {
  const both = [
    'FROM ssh AS one',
    'RUN --mount=type=ssh,id=b --mount=type=ssh ssh-add -l && SSH_AUTH_SOCK=/run/buildkit/ssh_agent.1 ssh-add -l && touch /1',
    'FROM ssh AS two',
    'RUN --mount=type=ssh for i in $(seq 40); do ssh-add -l >>/tmp/all & done; wait; grep -c key-first /tmp/all',
    'FROM ssh',
    'COPY --from=one /1 /',
    'COPY --from=two /tmp/all /',
  ].join('\n');
  const { code, stderr } = await build(
    both,
    '--ssh',
    'default',
    '--ssh',
    `b=${socketOf('second')}`,
  );
  assert.equal(code, 0, stderr);
  assert.match(stderr, /key-second[\s\S]*key-first/);
  assert.match(stderr, / 40$/m);
});

test('without an agent a step goes without, or fails where it requires one', { skip }, async () => {
  const optional = await build(steps('RUN --mount=type=ssh echo "[$SSH_AUTH_SOCK]"'));
  assert.equal(optional.code, 0, optional.stderr);
  assert.match(optional.stderr, /\[\]$/m);
  const required = await build(
    steps('', 'RUN --mount=type=ssh,id=x,required=true true'),
    '--ssh',
    'default',
  );
  assert.equal(required.code, 1);
  assert.match(
    required.stderr,
    /no ssh agent "x" was forwarded .* line 3 requires: .*'coracle build --ssh x=SOCKET'/,
  );
});

test('the step is cached with its mount, and without asking', { skip }, async () => {
  const cached = (mount: string, ...argv: readonly string[]): Promise<Result> =>
    daemon.run([CORACLE, 'build', '--network', 'none', ...argv, '-'], {
      input: steps(`RUN ${mount} date +%N >/made`),
      env: { SSH_AUTH_SOCK: socketOf('first') },
    });
  await cached('--mount=type=ssh', '--ssh', 'default');
  assert.match(
    (await cached('--mount=type=ssh', '--ssh', `default=${socketOf('second')}`)).stderr,
    /CACHED/,
  );
  assert.doesNotMatch((await cached('')).stderr, /CACHED.*\n.*CACHED/);
});

test('keys get an agent for the time of the build; one with a passphrase is refused', {
  skip,
}, async () => {
  const temporary = join(scratch, 'tmp');
  mkdirSync(temporary);
  const [one, two, locked] = [makeKey('one'), makeKey('two'), makeKey('locked', 'secret')];
  const text = steps('RUN --mount=type=ssh ssh-add -l');
  const how = { TMPDIR: temporary };
  const { code, stderr } = await buildAt([], text, ['--ssh', `default=${one},${two}`], how);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /key-one[\s\S]*key-two/);
  assert.deepEqual(readdirSync(temporary), []);
  const refused = await buildAt([], text, ['--ssh', `default=${locked}`], how);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /cannot use the key .*locked: .*\n.*ssh-add KEY/);
  assert.deepEqual(readdirSync(temporary), []);
  const missing = await buildAt([], text, ['--ssh', `default=${one}`], {
    ...how,
    PATH: dirname(process.execPath),
  });
  assert.match(missing.stderr, /cannot run ssh-agent .* not installed/);
});

test('a client that is killed leaves no socket, process or mount', { skip }, async () => {
  const temporary = join(scratch, 'killed');
  mkdirSync(temporary);
  const key = makeKey('killed-key');
  const argv = ['build', '--network', 'none', '--no-cache', '--ssh', `default=${key}`, '-'];
  const client = spawn(CORACLE, argv, {
    env: { ...process.env, ...daemon.engine.env, TMPDIR: temporary },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  client.stdin.end(steps('RUN --mount=type=ssh ssh-add -l; sleep 60'));
  await eventually('it has not begun', () => leftovers().some((name) => name.startsWith('ssh-')));
  const pid = (): string =>
    spawnSync('pgrep', ['-f', join(temporary, 'coracle-ssh-')], { encoding: 'utf8' }).stdout;
  assert.notEqual(pid(), '');
  client.kill('SIGKILL');
  await once(client, 'close');
  await eventually('the socket is still there', () => leftovers().length === 0);
  await eventually(
    'the agent is still there',
    () => readdirSync(temporary).length === 0 && pid() === '',
  );
  await eventually('its container is there', async () => (await daemon.ok('ps', '-aq')) === '');
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  assert.doesNotMatch(mounts, new RegExp(`${daemon.engine.directory}/run/build`));
});

test('an agent that is gone is told, and the library forwards one too', { skip }, async () => {
  const engine = new Engine({ host: `unix://${daemon.engine.socket}` });
  const archive = contextArchive({
    Dockerfile: steps('RUN --mount=type=ssh,id=lib,required=true ssh-add -l'),
  });
  const said: string[] = [];
  const options = {
    network: 'none',
    noCache: true,
    onProgress: ({ stream = '' }) => void said.push(stream),
  };
  await engine.images.build(Readable.from(archive), {
    ...options,
    ssh: { lib: socketOf('second') },
  });
  assert.match(said.join(''), /key-second/);
  const dead = join(scratch, 'dead.sock');
  const die =
    'net.createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
  spawnSync(process.execPath, ['-e', die, dead]);
  const { stderr } = await build(
    steps('RUN --mount=type=ssh ssh-add -l; true'),
    '--ssh',
    `default=${dead}`,
  );
  assert.match(stderr, /error fetching identities: agent refused operation/);
  assert.match(stderr, /^WARNING: ssh agent "default": connect ECONNREFUSED/m);
});

test('a connection that nobody waits for is not there', { skip }, async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(daemon.engine.socket, () => {
    socket.write(
      'POST /coracle/build/agents/0123 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    );
  });
  socket.once('data', (data) => resolve(data.toString()));
  assert.match(await promise, /^HTTP\/1.1 404 /);
  socket.destroy();
  assert.ok(existsSync(daemon.engine.socket));
});
