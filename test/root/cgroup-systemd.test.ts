// The names that systemd gives to cgroups, made on the real kernel without systemd: what
// --cgroup-parent, slices and an external runtime mean under them.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Result, runProgram } from '../daemon.ts';

const OURS = join(ROOT, 'bin/coracle');
const SYSTEMD = ['--exec-opt', 'native.cgroupdriver=systemd'];

describe('cgroups with the names of systemd', { skip: cannotRun() }, () => {
  let directory: string;
  let parent: string;
  let engine: PrivateEngine;
  const run = (...argv: string[]): Promise<Result> => runProgram(argv, engine.env, {});
  const ok = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...argv);
    assert.equal(code, 0, `${argv.join(' ')}: ${stderr}\n${engine.log()}`);
    return stdout.trim();
  };
  const cgroups = (pid: string): readonly string[] => {
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
    // Hierarchies that other tests have mounted, where nothing is ours.
    return [...new Set(lines.map((line) => line.replace(/^\d+:[^:]*:/, '')))].filter((path) =>
      path.includes('.slice'),
    );
  };
  const start = async (): Promise<void> => {
    const flags = [...SYSTEMD, '--cgroup-parent', `${parent}.slice`];
    engine = await startEngine({ directory, flags });
  };

  before(async () => {
    directory = makeEngineDirectory();
    parent = basename(directory);
    await start();
  });
  after(async () => {
    await ok('sh', '-c', 'docker ps -aq | xargs -r docker rm -f');
    await engine[Symbol.asyncDispose]();
    removeEngineDirectory(directory);
    removeIfEmpty('coracle.slice');
  });

  test('a container is a scope in the slice, which stands inside those that its name spells', async () => {
    assert.equal(await ok('docker', 'info', '--format', '{{.CgroupDriver}}'), 'systemd');
    const id = await ok('docker', 'run', '-d', '--name', 'web', 'busybox', 'sleep', '1000');
    const pid = await ok('docker', 'inspect', '-f', '{{.State.Pid}}', 'web');
    const at = `/coracle.slice/${parent}.slice/coracle-${id}.scope`;
    for (const path of cgroups(pid)) assert.ok(path.endsWith(at), path);
    assert.notEqual(cgroups(pid).length, 0);
    await ok('docker', 'update', '--pids-limit', '77', 'web');
    const inspect = await ok('docker', 'inspect', 'web');
    assert.match(inspect, /"PidsLimit": \{\s*"Value": 77,/);
    const stats = await ok('docker', 'stats', '--no-stream', '--format', '{{.PIDs}}', 'web');
    assert.equal(stats, '1');
    assert.match(await ok(OURS, 'cgroup', 'tree'), new RegExp(`web \\(${id.slice(0, 12)}\\)`));
  });

  test('a daemon finds the scope again, and removes one that nobody knows', async () => {
    const pid = await ok('docker', 'inspect', '-f', '{{.State.Pid}}', 'web');
    const [path = ''] = cgroups(pid);
    await engine.kill('SIGKILL');
    await start();
    assert.equal(await ok('docker', 'inspect', '-f', '{{.State.Pid}}', 'web'), pid);
    await ok('docker', 'rm', '-f', 'web');
    assert.ok(!hierarchies().some((each) => existsSync(join(each, path))));
  });

  test('--cgroup-parent is a slice by its name; what is none is refused as by dockerd', async () => {
    const name = `${parent}-below`;
    const argv = ['--cgroup-parent', `${name}.slice`, 'busybox', 'cat', '/proc/self/cgroup'];
    const shown = await ok('docker', 'run', '--rm', '--cgroupns', 'host', ...argv);
    const at = `/coracle.slice/${parent}.slice/${name}.slice/coracle-`;
    assert.ok(shown.includes(at), shown);
    for (const bad of ['/foo', 'foo', 'a--b.slice', 'a/b.slice']) {
      const { code, stderr } = await run('docker', 'create', '--cgroup-parent', bad, 'busybox');
      assert.equal(code, 1);
      assert.match(
        stderr,
        /cgroup-parent for systemd cgroup should be a valid slice named as "xxx/,
      );
    }
  });

  test('a slice of ours has the name that systemd would give it', async () => {
    await ok(OURS, 'slice', 'create', '--cpus', '.5', 'cg1');
    await ok(OURS, 'slice', 'create', '--pids-limit', '50', 'cg1/cg-2');
    const path = await ok(OURS, 'slice', 'inspect', '--format', '{{.CgroupPath}}', 'cg1/cg-2');
    const name = `${parent}-cg1-cg\\x2d2.slice`;
    assert.equal(path, `/coracle.slice/${parent}.slice/${parent}-cg1.slice/${name}`);
    await ok(OURS, 'run', '-d', '--name', 'in', '--slice', 'cg1/cg-2', 'busybox', 'sleep', '1000');
    await ok(
      'docker',
      'run',
      '-d',
      '--name',
      'by',
      '--cgroup-parent',
      name,
      'busybox',
      'sleep',
      '99',
    );
    const inside = await ok(
      OURS,
      'slice',
      'inspect',
      '--format',
      '{{json .Containers}}',
      'cg1/cg-2',
    );
    const names = (JSON.parse(inside) as { Name: string }[]).map((each) => each.Name);
    assert.deepEqual(names.sort(), ['by', 'in']);
    const limits = await ok(OURS, 'inspect', '--format', '{{json .EffectiveLimits}}', 'in');
    const { NanoCpus, PidsLimit } = JSON.parse(limits) as Record<string, { Slice: string }>;
    assert.deepEqual([NanoCpus?.Slice, PidsLimit?.Slice], ['cg1', 'cg1/cg-2']);
    await ok('docker', 'rm', '-f', 'in', 'by');
    await ok(OURS, 'slice', 'rm', 'cg1/cg-2', 'cg1');
    const long = await run(OURS, 'slice', 'create', 'a-'.repeat(99).concat('a'));
    assert.match(long.stderr, /is longer than 255 characters/);
  });

  test('runc puts its container into the same scope', async (t) => {
    if (!existsSync('/usr/sbin/runc') && !existsSync('/usr/bin/runc')) return t.skip('needs runc');
    const argv = ['--name', 'other', '--runtime', 'runc', '--pids-limit', '33'];
    const id = await ok('docker', 'run', '-d', ...argv, 'busybox', 'sleep', '1000');
    const pid = await ok('docker', 'inspect', '-f', '{{.State.Pid}}', 'other');
    const at = `/coracle.slice/${parent}.slice/coracle-${id}.scope`;
    for (const path of cgroups(pid)) assert.ok(path.endsWith(at), path);
    assert.match(await ok('docker', 'inspect', 'other'), /"PidsLimit": \{\s*"Value": 33,/);
    await ok('docker', 'pause', 'other');
    await ok('docker', 'unpause', 'other');
    await ok('docker', 'rm', '-f', 'other');
    assert.ok(!hierarchies().some((each) => existsSync(join(each, at))));
  });

  test('a daemon with a parent that is no slice does not start, nor one with another driver', async () => {
    const daemon = (...flags: string[]): Promise<Result> => run(OURS, 'daemon', ...flags);
    const { code, stderr } = await daemon(...SYSTEMD, '--cgroup-parent', '/foo');
    assert.equal(code, 1);
    assert.match(stderr, /should be a valid slice named as "xxx\.slice"/);
    const other = await daemon('--exec-opt', 'native.cgroupdriver=none');
    assert.match(other.stderr, /native\.cgroupdriver option none not supported/);
    const unknown = await daemon('--exec-opt', 'native.umask=normal');
    assert.match(unknown.stderr, /unknown exec-opt native\.umask=normal/);
  });
});

function hierarchies(): readonly string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.filter((line) => / - cgroup2? /.test(line)).map((line) => line.split(' ')[4] ?? '');
}

/** Other engines may have slices in it. */
function removeIfEmpty(name: string): void {
  for (const each of hierarchies()) {
    const path = join(each, name);
    const below = existsSync(path) ? readdirSync(path, { withFileTypes: true }) : undefined;
    if (below?.some((entry) => entry.isDirectory()) === false) rmdirSync(path);
  }
}
