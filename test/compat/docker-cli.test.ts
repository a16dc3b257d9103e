// The unmodified docker CLI against a whole engine: the verbs of everyday use, their output and
// exit codes. What a person would type, in the order of a day's work.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

const WAIT_MS_MAX = 10_000;

/** Asks again until the answer is wanted. */
async function until(ask: () => Promise<string>, wanted: string | RegExp): Promise<void> {
  const end = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const answer = await ask();
    if (typeof wanted === 'string' ? answer === wanted : wanted.test(answer)) return;
    if (Date.now() > end) assert.fail(`still ${JSON.stringify(answer)}, wanted ${wanted}`);
    await sleep(50);
  }
}

const status = (name: string): Promise<string> =>
  daemon.ok('inspect', '-f', '{{.State.Status}}', name);

test('version, info and images tell of this engine', { skip }, async () => {
  assert.match(await daemon.ok('version'), /API version: +1\.51 \(minimum version 1\.24\)/);
  const info = await daemon.ok('info', '-f', '{{.OSType}} {{.DefaultRuntime}}');
  assert.equal(info, 'linux coracle');
  assert.match(await daemon.ok('images'), /^REPOSITORY +TAG +IMAGE ID.*\nbusybox +latest/);
});

test('run --rm prints the output and leaves nothing', { skip }, async () => {
  assert.equal(await daemon.ok('run', '--rm', 'busybox', 'echo', 'hello'), 'hello');
  assert.equal(await daemon.ok('ps', '-aq'), '');
});

test('run separates stdout and stderr', { skip }, async () => {
  const { stdout, stderr, code } = await daemon.docker(
    'run',
    '--rm',
    'busybox',
    'sh',
    '-c',
    'echo out; echo err >&2; exit 3',
  );
  assert.deepEqual([stdout, stderr, code], ['out\n', 'err\n', 3]);
});

test('run -i passes standard input on, to its end', { skip }, async () => {
  const input = `${'x'.repeat(1000)}\n`.repeat(1000);
  const { stdout, code } = await daemon.run(['docker', 'run', '-i', '--rm', 'busybox', 'cat'], {
    input,
  });
  assert.equal(code, 0);
  assert.equal(stdout.length, input.length);
  assert.equal(stdout, input);
});

test('large output arrives whole', { skip }, async () => {
  const command = 'dd if=/dev/zero bs=1M count=32 2>/dev/null | tr "\\0" x';
  const out = await daemon.ok('run', '--rm', 'busybox', 'sh', '-c', command);
  assert.equal(out.length, 32 * 1024 * 1024);
});

test('exit codes: 125 for the engine, 126 and 127 for the command, 128+n for signals', {
  skip,
}, async () => {
  const code = async (...argv: string[]): Promise<number> => (await daemon.docker(...argv)).code;
  assert.equal(await code('run', '--rm', 'busybox', 'true'), 0);
  assert.equal(await code('run', '--rm', 'busybox', 'false'), 1);
  assert.equal(await code('run', '--rm', 'busybox', 'nosuchcommand'), 127);
  assert.equal(await code('run', '--rm', 'busybox', '/nosuch/command'), 127);
  assert.equal(await code('run', '--rm', 'busybox', '/etc'), 126);
  assert.equal(await code('run', '--rm', '--init', 'busybox', 'sh', '-c', 'kill -9 $$'), 137);
  assert.equal(
    await code('run', '--rm', 'busybox', 'sh', '-c', 'kill -TERM $$; sleep 1; exit 9'),
    9,
  );
  assert.equal(await code('run', '--rm', '--memory', '1m', 'busybox', 'true'), 125);
  assert.equal(await code('run', '--nosuchflag', 'busybox', 'true'), 125);
  assert.equal(await code('run', '--rm', 'nosuchimage', 'true'), 125);
  assert.equal(await daemon.ok('ps', '-aq'), '', 'a failed start with --rm is removed too');
  const kept = await daemon.docker('run', '--name', 'kept', 'busybox', 'nosuchcommand');
  assert.equal(kept.code, 127);
  assert.doesNotMatch(kept.stderr, /Error waiting for container/);
  assert.equal(
    await daemon.ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'kept'),
    'created 127',
  );
  await daemon.ok('rm', 'kept');
});

test('errors are told in the words that people and programs know', { skip }, async () => {
  const refusals = [
    [['run', '--rm', 'busybox', 'nosuch'], /exec: "nosuch": executable file not found in \$PATH/],
    [['run', '--rm', '-m', '1m', 'busybox'], /Minimum memory limit allowed is 6MB/],
    [['run', '--rm', '-w', 'rel', 'busybox'], /the working directory 'rel' is invalid/],
    [['run', '--rm', '--cap-add', 'FOO', 'busybox'], /unknown capability: "CAP_FOO"/],
    [['run', '--rm', '--name', '?', 'busybox'], /Invalid container name \(\?\), only/],
    [['run', '--rm', '--cpus', '1000', 'busybox'], /Range of CPUs is from 0\.01 to/],
    [['run', '--rm', '--isolation', 'x', 'busybox'], /nvalid isolation/],
    [['run', '--rm', '--cpu-shares=-1', 'busybox'], /shares: invalid argument/],
    [['run', '--rm', '--stop-signal', 'FOO', 'busybox'], /nvalid signal: FOO/],
    [['run', '--rm', '--runtime', 'foo', 'busybox'], /unknown or invalid runtime name: foo/],
    [['run', '--rm', '--log-driver', 'foo', 'busybox'], /foo/],
    [
      ['run', '--rm', '--mount', 'type=bind,src=/nonexist,dst=/x', 'busybox'],
      /invalid mount config for type "bind": bind source path does not exist: \/nonexist/,
    ],
    [['run', '--rm', '-v', '/etc:/x', '-v', '/tmp:/x', 'busybox'], /Duplicate mount point: \/x/],
    [['run', '--rm', '-v', '/etc:/x:foo', 'busybox'], /invalid mode: foo/],
    [
      ['run', '--rm', 'nosuch:tag'],
      /Unable to find image 'nosuch:tag' locally[\s\S]*Get "https:\/\/registry-1\.docker\.io\/v2\/": /,
    ],
    [['start', 'nosuch'], /No such container: nosuch/],
    [['inspect', 'nosuch'], /No such object: nosuch/],
    [['exec', 'nosuch', 'true'], /No such container: nosuch/],
    [['rmi', 'nosuch'], /No such image: nosuch:latest/],
    [['logs', 'nosuch'], /No such container: nosuch/],
    [['tag', 'busybox', 'UPPER'], /repository name.*must be lowercase/],
    [['network', 'create', 'bridge'], /operation is not permitted on predefined bridge network/],
    [['build', '-'], /./],
  ] as const;
  for (const [argv, message] of refusals) {
    const { code, stderr } = await daemon.docker(...argv);
    assert.notEqual(code, 0, argv.join(' '));
    assert.match(stderr, message, argv.join(' '));
  }
  assert.equal(await daemon.ok('ps', '-aq'), '');
});

test('a taken name is refused with the id of its owner', { skip }, async () => {
  const id = await daemon.ok('create', '--name', 'taken', 'busybox', 'true');
  const { code, stderr } = await daemon.docker('create', '--name', 'taken', 'busybox', 'true');
  assert.equal(code, 1);
  assert.ok(
    stderr.includes(
      `Conflict. The container name "/taken" is already in use by container "${id}". ` +
        'You have to remove (or rename) that container to be able to reuse that name.',
    ),
    stderr,
  );
  assert.equal(await daemon.ok('rm', 'taken'), 'taken');
});

test('a life: -d, ps, logs, exec, stats of inspect, stop, start, rm', { skip }, async () => {
  const script = 'echo started; trap "echo bye; exit 0" TERM; while true; do sleep 0.1; done';
  const id = await daemon.ok(
    'run',
    '-d',
    '--name',
    'life',
    '--label',
    'a=b',
    'busybox',
    'sh',
    '-c',
    script,
  );
  assert.match(id, /^[0-9a-f]{64}$/);
  const line = await daemon.ok('ps', '--format', '{{.ID}} {{.Image}} {{.Names}} {{.Status}}');
  assert.match(
    line,
    new RegExp(`^${id.slice(0, 12)} busybox life Up (Less than a second|\\d+ seconds?)$`),
  );
  assert.equal(await daemon.ok('ps', '-q', '--filter', 'label=a=b', '--no-trunc'), id);
  assert.equal(await daemon.ok('ps', '-q', '--filter', 'name=nothing'), '');
  await until(() => daemon.ok('logs', 'life'), 'started');
  assert.equal(await daemon.ok('exec', 'life', 'sh', '-c', 'echo $((6 * 7))'), '42');
  assert.match(await daemon.ok('top', 'life'), /sleep 0\.1/);
  assert.match(
    await daemon.ok('inspect', '-f', '{{.State.Running}} {{.State.Pid}}', 'life'),
    /^true [1-9]/,
  );
  assert.equal(await daemon.ok('stop', 'life'), 'life');
  assert.equal(await daemon.ok('logs', 'life'), 'started\nbye');
  assert.equal(
    await daemon.ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'life'),
    'exited 0',
  );
  assert.match(await daemon.ok('ps', '-a', '--format', '{{.Status}}'), /^Exited \(0\)/);
  assert.equal(await daemon.ok('start', 'life'), 'life');
  assert.equal(await status('life'), 'running');
  assert.equal(await daemon.ok('restart', '-t', '1', 'life'), 'life');
  const { code, stderr } = await daemon.docker('rm', 'life');
  assert.equal(code, 1);
  assert.match(stderr, /cannot remove container .*life.*: container is running/);
  assert.equal(await daemon.ok('rm', '-f', 'life'), 'life');
  assert.equal(await daemon.ok('ps', '-aq'), '');
});

test('stop kills what ignores TERM when the grace period ends: 137', { skip }, async () => {
  await daemon.ok(
    'run',
    '-d',
    '--name',
    'deaf',
    '--stop-timeout',
    '600', // its own, which is not waited for
    'busybox',
    'sh',
    '-c',
    'trap "" TERM; while true; do sleep 1; done',
  );
  const started = Date.now();
  await daemon.ok('stop', '-t', '1', 'deaf');
  assert.ok(Date.now() - started < 60_000);
  assert.equal(await daemon.ok('inspect', '-f', '{{.State.ExitCode}}', 'deaf'), '137');
  await daemon.ok('rm', 'deaf');
});

test('kill, pause, unpause, rename, wait, update', { skip }, async () => {
  await daemon.ok('run', '-d', '--name', 'one', 'busybox', 'sleep', '100');
  await daemon.ok('pause', 'one');
  assert.match(await daemon.ok('ps', '--format', '{{.Status}}'), /\(Paused\)$/);
  assert.match((await daemon.docker('exec', 'one', 'true')).stderr, /is paused/);
  assert.match((await daemon.docker('pause', 'one')).stderr, /already paused/);
  await daemon.ok('unpause', 'one');
  await daemon.ok('rename', 'one', 'two');
  await daemon.ok('update', '--memory', '64m', '--memory-swap', '128m', 'two');
  assert.equal(await daemon.ok('inspect', '-f', '{{.HostConfig.Memory}}', 'two'), '67108864');
  const waiting = daemon.ok('wait', 'two');
  await daemon.ok('kill', '-s', 'KILL', 'two');
  assert.equal(await waiting, '137');
  const again = await daemon.docker('kill', 'two');
  assert.match(again.stderr, /is not running/);
  await daemon.ok('rm', 'two');
});

test('logs: follow, tail, since, timestamps', { skip }, async () => {
  await daemon.ok(
    'run',
    '-d',
    '--name',
    'log',
    'busybox',
    'sh',
    '-c',
    'for i in 1 2 3; do echo $i; sleep 0.3; done',
  );
  assert.equal(await daemon.ok('logs', '-f', 'log'), '1\n2\n3');
  assert.equal(await daemon.ok('logs', '--tail', '1', 'log'), '3');
  assert.match(await daemon.ok('logs', '-t', '--tail', '1', 'log'), /^\d{4}-\d\d-\d\dT[\d:.]+Z 3$/);
  assert.equal(await daemon.ok('logs', '--since', '1h', '--tail', '0', 'log'), '');
  assert.equal(await daemon.ok('logs', '--until', '1h', 'log'), '');
  await daemon.ok('rm', 'log');
});

test('exec: exit codes, stdin, environment, user, detach', { skip }, async () => {
  await daemon.ok('run', '-d', '--name', 'exe', 'busybox', 'sleep', '100');
  assert.equal((await daemon.docker('exec', 'exe', 'sh', '-c', 'exit 7')).code, 7);
  const missing = await daemon.docker('exec', 'exe', 'nosuch');
  assert.equal(missing.code, 127);
  assert.match(missing.stdout + missing.stderr, /executable file not found/);
  assert.equal((await daemon.docker('exec', 'exe', '/etc')).code, 126);
  const piped = await daemon.run(['docker', 'exec', '-i', 'exe', 'cat'], { input: 'through' });
  assert.equal(piped.stdout, 'through');
  assert.equal(
    await daemon.ok(
      'exec',
      '-e',
      'A=b',
      '-w',
      '/tmp',
      '-u',
      '7',
      'exe',
      'sh',
      '-c',
      'echo $A $(pwd) $(id -u)',
    ),
    'b /tmp 7',
  );
  await daemon.ok('exec', '-d', 'exe', 'sh', '-c', 'echo done > /tmp/flag');
  await until(
    async () => (await daemon.docker('exec', 'exe', 'cat', '/tmp/flag')).stdout,
    'done\n',
  );
  await daemon.ok('rm', '-f', 'exe');
  assert.match((await daemon.docker('exec', 'exe', 'true')).stderr, /No such container/);
});

test('an exec that cannot start: 126 or 127, why, and no exec_die of what never ran', {
  skip,
}, async () => {
  const since = String(Date.now() / 1000 - 0.001);
  await daemon.ok('run', '-d', '--name', 'noexec', 'busybox', 'sleep', '100');
  const relative = await daemon.docker('exec', '-w', 'tmp', 'noexec', 'pwd');
  assert.equal(relative.code, 126);
  assert.equal(
    relative.stdout.trimEnd(),
    'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown',
  );
  const missing = await daemon.docker('exec', '-w', '/none', 'noexec', 'pwd');
  assert.match(missing.stdout, /chdir to cwd \("\/none"\) .*no such file or directory/);
  const detached = await daemon.docker('exec', '-d', 'noexec', 'nosuch');
  assert.equal(detached.code, 1);
  assert.match(detached.stderr, /exec: "nosuch": executable file not found in \$PATH/);
  assert.equal(await daemon.ok('exec', '-w', '/tmp', 'noexec', 'pwd'), '/tmp');
  const until = String(Date.now() / 1000 + 0.1);
  const shown = ['--filter', 'container=noexec', '--format', '{{.Action}}'];
  const lines = (await daemon.ok('events', '--since', since, '--until', until, ...shown)).split(
    '\n',
  );
  assert.equal(lines.filter((line) => line.startsWith('exec_start:')).length, 4);
  assert.equal(lines.filter((line) => line === 'exec_die').length, 1);
  await daemon.ok('rm', '-f', 'noexec');
});

test('a terminal: run -it, its size, and exec -it', { skip }, async () => {
  // script(1) gives the CLI a terminal of its own.
  const command = 'docker run --rm -it busybox sh -c "tty; stty size; echo $TERM"';
  const { stdout, code } = await daemon.run([
    'script',
    '-qec',
    `stty rows 33 cols 77; ${command}`,
    '/dev/null',
  ]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /\/dev\/(pts\/\d+|console)\r\n33 77\r\n/);
});

test('attach sees output, and the detach keys leave the container running', { skip }, async () => {
  await daemon.ok('run', '-dit', '--name', 'att', 'busybox', 'sh');
  const child = spawn('script', ['-qec', 'docker attach att', '/dev/null'], {
    env: daemon.engine.env,
    stdio: 'pipe',
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stdin.write('echo $((40 + 2))\n');
  await until(async () => out, /42\r\n/);
  child.stdin.write('\x10');
  await sleep(50);
  child.stdin.write('\x11');
  // The CLI itself ends with 1 after the keys.
  await once(child, 'close');
  assert.match(out, /read escape sequence/);
  assert.equal(await status('att'), 'running');
  await daemon.ok('rm', '-f', 'att');
});

test('images: import, load, save, tag, history, rmi', { skip }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'coracle-compat-'));
  try {
    const archive = join(directory, 'saved.tar');
    await daemon.ok('tag', 'busybox', 'reg.example:5000/team/box:v1');
    await daemon.ok('save', '-o', archive, 'reg.example:5000/team/box:v1');
    assert.match(
      await daemon.ok('rmi', 'reg.example:5000/team/box:v1'),
      /^Untagged: reg\.example:5000\/team\/box:v1$/,
    );
    assert.match(
      await daemon.ok('load', '-i', archive),
      /Loaded image: reg\.example:5000\/team\/box:v1/,
    );
    assert.match(
      await daemon.ok('load', '--platform', 'linux/amd64', '-i', archive),
      /Loaded image: reg\.example:5000\/team\/box:v1/,
    );
    assert.equal(await daemon.ok('run', '--rm', 'reg.example:5000/team/box:v1', 'echo', 'x'), 'x');
    assert.match(await daemon.ok('history', 'busybox'), /^IMAGE +CREATED/);
    const used = await daemon.ok('create', 'reg.example:5000/team/box:v1', 'true');
    await daemon.ok('rm', used);
    await daemon.ok('rmi', 'reg.example:5000/team/box:v1');
    const broken = join(directory, 'broken.tar');
    await writeFile(broken, Buffer.alloc(5000, 0x41));
    const { code, stderr } = await daemon.docker('load', '-i', broken);
    assert.equal(code, 1);
    assert.notEqual(stderr, '');
    await writeFile(join(directory, 'f'), 'content');
    const tar = await daemon.run(['tar', '-C', directory, '-cf', join(directory, 'root.tar'), 'f']);
    assert.equal(tar.code, 0);
    const id = await daemon.ok(
      'import',
      '-c',
      'CMD ["/f"]',
      '-c',
      'ENV A=b',
      '-m',
      'mine',
      join(directory, 'root.tar'),
      'mine:1',
    );
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(
      await daemon.ok(
        'inspect',
        '-f',
        '{{json .Config.Cmd}} {{json .Config.Env}} {{.Comment}}',
        'mine:1',
      ),
      '["/f"] ["A=b"] mine',
    );
    assert.match(await daemon.ok('rmi', 'mine:1'), /Untagged: mine:1\nDeleted: sha256:/);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('an image in use is not removed without force', { skip }, async () => {
  const id = await daemon.ok('create', 'busybox', 'true');
  const { stderr } = await daemon.docker('rmi', 'busybox');
  assert.match(
    stderr,
    /conflict: unable to remove repository reference "busybox" \(must force\) - container [0-9a-f]{12} is using/,
  );
  await daemon.ok('rm', id);
});

test('events tell a life in the order that programs rely on', { skip }, async () => {
  const since = String(Date.now() / 1000 - 0.001);
  await daemon.ok('run', '--rm', '--name', 'ev', 'busybox', 'true');
  await daemon.ok('run', '-d', '--name', 'ev2', 'busybox', 'sleep', '100');
  await daemon.ok('rm', '-f', 'ev2');
  const events = await daemon.ok(
    'events',
    '--since',
    since,
    '--until',
    String(Date.now() / 1000 + 0.5),
    '--filter',
    'type=container',
    '--format',
    '{{.Actor.Attributes.name}} {{.Action}}',
  );
  const of = (name: string): string[] =>
    events
      .split('\n')
      .filter((line) => line.startsWith(`${name} `))
      .map((line) => line.split(' ')[1] ?? '');
  assert.deepEqual(of('ev'), ['create', 'attach', 'start', 'die', 'destroy']);
  assert.deepEqual(of('ev2'), ['create', 'start', 'kill', 'die', 'destroy']);
});

test('prune removes what is stopped', { skip }, async () => {
  const id = await daemon.ok('create', 'busybox', 'true');
  assert.match(
    await daemon.ok('container', 'prune', '-f'),
    new RegExp(`Deleted Containers:\n${id}`),
  );
  assert.equal(await daemon.ok('ps', '-aq'), '');
});

test('volumes keep their content and cannot be removed while in use', { skip }, async () => {
  await daemon.ok('volume', 'create', 'vol');
  await daemon.ok('run', '--rm', '-v', 'vol:/v', 'busybox', 'sh', '-c', 'echo kept > /v/f');
  const id = await daemon.ok('create', '-v', 'vol:/v', 'busybox', 'cat', '/v/f');
  assert.equal(await daemon.ok('start', '-a', id), 'kept');
  assert.match((await daemon.docker('volume', 'rm', 'vol')).stderr, /volume is in use/);
  await daemon.ok('rm', id);
  assert.equal(await daemon.ok('volume', 'rm', 'vol'), 'vol');
});
