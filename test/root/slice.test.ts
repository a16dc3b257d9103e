// The seed's story of cgroups, on the real kernel: a limit on one level, another added below it,
// and siblings that only have the first.
// Alone: what a slice leaves of the processor and of a disk is measured.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SliceInspect } from '#wire/slice.ts';
import { startEngine } from '../../tools/private-engine.ts';
import { cgroupsOf } from '../../tools/scratch.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';
import { versionOf } from './limit-host.ts';

const OURS = join(import.meta.dirname, '../../bin/coracle');
const DISK_BYTES = 64 * 1024 * 1024;
const MEGABYTE = 1024 * 1024;
const MEASURE_MS = 1000;
const TRIES_MAX = 4;
type Range = readonly [low: number, high: number];

describe('slices', { skip: cannotRun() }, () => {
  let daemon: Daemon;
  let directory: string;
  let disk: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'coracle-slice-'));
    const file = join(directory, 'disk');
    writeFileSync(file, '');
    truncateSync(file, DISK_BYTES);
    disk = execFileSync('losetup', ['-f', '--show', file], { encoding: 'utf8' }).trim();
    daemon = await startDaemon(['--cpu-rt-runtime', '100000']);
  });

  after(async () => {
    await daemon[Symbol.asyncDispose]();
    execFileSync('losetup', ['-d', disk]);
    rmSync(directory, { recursive: true, force: true });
  });

  const coracle = (...argv: string[]): Promise<Result> => daemon.run([OURS, ...argv]);
  const ok = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await coracle(...argv);
    assert.equal(code, 0, `coracle ${argv.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const slice = async (path: string): Promise<SliceInspect> =>
    JSON.parse(await ok('slice', 'inspect', '--format', '{{json .}}', path)) as SliceInspect;
  const busy = (name: string, path: string): Promise<string> =>
    ok(
      ...['run', '-d', '--name', name, '--network', 'none', '--slice', path],
      ...['--device', `${disk}:/dev/disk`, 'busybox'],
      'sh',
      '-c',
      'while :; do :; done',
    );
  const cpuShare = async (path: string): Promise<number> => {
    const used = async () => (await slice(path)).Usage.CpuNanoseconds ?? 0;
    const [from, start] = [await used(), performance.now()];
    await sleep(MEASURE_MS);
    return ((await used()) - from) / 1e6 / (performance.now() - start);
  };
  /** Measured again where the machine had no time, or a write waited for something else. */
  const within = async (what: string, measure: () => Promise<number>, [low, high]: Range) => {
    let last = Number.NaN;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      last = await measure();
      if (last >= low && last <= high) return;
    }
    assert.fail(`${what}: ${last} is not from ${low} to ${high}`);
  };
  // A busy machine gives less than it may have.
  const halfOf = (path: string) => within('half a CPU', () => cpuShare(path), [0.05, 0.65]);
  const rateOf = (name: string, megabytes: number, range: Range) => {
    const measure = async () => (await writeRate(name, megabytes)) / MEGABYTE;
    return within('megabytes a second', measure, range);
  };
  const writeRate = async (name: string, megabytes: number): Promise<number> => {
    const start = performance.now();
    await ok(
      'exec',
      name,
      'dd',
      'if=/dev/zero',
      'of=/dev/disk',
      'bs=64k',
      `count=${megabytes * 16}`,
      'oflag=direct',
    );
    return (megabytes * MEGABYTE) / ((performance.now() - start) / 1000);
  };

  test('the story: what is in cg1/cg2 has the CPU cap of cg1 and its own of I/O', async () => {
    await ok('slice', 'create', '--cpus', '.5', 'cg1');
    await ok('slice', 'create', '--device-write-bps', `${disk}:2mb`, 'cg1/cg2');
    await busy('both', 'cg1/cg2');
    await halfOf('cg1/cg2');
    await rateOf('both', 4, [0, 3]);
    const [inspect] = JSON.parse(await ok('inspect', 'both'));
    assert.equal(inspect.HostConfig.Slice, 'cg1/cg2');
    const limits = inspect.EffectiveLimits;
    assert.deepEqual([limits.NanoCpus.Value, limits.NanoCpus.Slice], [5e8, 'cg1']);
    const [write] = limits.BlkioDeviceWriteBps;
    assert.deepEqual([write.Value, write.Slice], [2 * MEGABYTE, 'cg1/cg2']);
    await ok('rm', '-f', 'both');
  });

  test('a sibling in cg1 has the CPU cap only', async () => {
    await busy('sibling', 'cg1');
    await halfOf('cg1');
    await rateOf('sibling', 16, [4, Number.POSITIVE_INFINITY]);
    await ok('rm', '-f', 'sibling');
  });

  test('an update of the slice above reaches what runs below it at once', async () => {
    await busy('below', 'cg1/cg2');
    await ok('slice', 'update', '--cpus', '.2', '--device-write-bps', `${disk}:1mb`, 'cg1');
    await within('a fifth of a CPU', () => cpuShare('cg1/cg2'), [0, 0.35]);
    await rateOf('below', 2, [0, 1.5]);
    const { EffectiveLimits: limits } = await slice('cg1/cg2');
    assert.equal(limits.NanoCpus?.Slice, 'cg1');
    await ok('slice', 'update', '--unset', 'device-write-bps', '--cpus', '.5', 'cg1');
    await rateOf('below', 4, [1.5, 3]);
    await ok('rm', '-f', 'below');
  });

  test('a CPU set of a slice is narrowed and widened under a running container', async (t) => {
    if (versionOf('cpuset') === 0) return t.skip('this kernel has no cpuset');
    await busy('pinned', 'cg1/cg2');
    const allowed = (): Promise<string> =>
      ok('exec', 'pinned', 'grep', 'Cpus_allowed_list', '/proc/self/status');
    for (const cpus of ['0', '1', '0-1']) {
      await ok('slice', 'update', '--cpuset-cpus', cpus, 'cg1');
      assert.match(await allowed(), new RegExp(`\\s${cpus}$`));
    }
    await ok('rm', '-f', 'pinned');
  });

  test('what no cgroup below can have is refused with who has less', async () => {
    const { code, stderr } = await coracle('slice', 'create', '--cpus', '.8', 'cg1/more');
    if (code === 0) await ok('slice', 'rm', 'cg1/more');
    assert.match(stderr, /slice cg1\/more wants 0\.8 CPUs, but slice cg1 has 0\.5/);
  });

  test('quota and period of a slice change together while a container inside has all of it', async () => {
    const part = ['--cpu-quota', '50000', '--cpu-period', '100000'];
    await ok('slice', 'create', ...part, 'tight');
    await ok('slice', 'create', ...part, 'tight/inner');
    const wish = ['--slice', 'tight/inner', ...part];
    await ok(
      'run',
      '-d',
      '--name',
      'full',
      '--network',
      'none',
      ...wish,
      'busybox',
      'sleep',
      '1000',
    );
    for (const [quota, period] of [
      ['25000', '50000'],
      ['100000', '200000'],
      ['50000', '100000'],
    ] as const) {
      for (const path of ['tight/inner', 'tight']) {
        await ok('slice', 'update', '--cpu-quota', quota, '--cpu-period', period, path);
        const { EffectiveLimits: limits, Limits: own } = await slice(path);
        assert.deepEqual([own['CpuQuota'], limits.NanoCpus?.Value], [Number(quota), 5e8]);
      }
    }
    await ok('rm', '-f', 'full');
    await ok('slice', 'rm', 'tight/inner', 'tight');
  });

  test('real-time is what a slice was given, and a container in it has no more', async (t) => {
    if (!existsSync('/sys/fs/cgroup/cpu/cpu.rt_runtime_us')) return t.skip('no real-time groups');
    const file = `/sys/fs/cgroup/cpu${daemon.engine.cgroupParent}/rt/cpu.rt_runtime_us`;
    await ok('slice', 'create', '--cpu-rt-runtime', '50000', 'rt');
    const wish = ['--slice', 'rt', '--cpu-rt-runtime', '20000'];
    await ok(
      'run',
      '-d',
      '--name',
      'real',
      '--network',
      'none',
      ...wish,
      'busybox',
      'sleep',
      '1000',
    );
    assert.equal(readFileSync(file, 'utf8').trim(), '50000');
    const { stderr } = await coracle('update', '--cpu-rt-runtime', '60000', 'real');
    assert.match(stderr, /wants 60000 µs of real-time, but slice rt has 50000 µs/);
    await ok('rm', '-f', 'real');
    await ok('slice', 'rm', 'rt');
  });

  test('an unknown slice, one that is in use and one with a bad name are refused', async () => {
    const unknown = await coracle('run', '--rm', '--slice', 'nowhere', 'busybox', 'true');
    assert.equal(unknown.code, 125);
    assert.match(unknown.stderr, /No such slice: nowhere/);
    const used = await coracle('slice', 'rm', 'cg1');
    assert.equal(used.code, 1);
    assert.match(used.stderr, /slice cg1 is in use: remove slice cg1\/cg2 first/);
    for (const name of ['../up', 'cpu.shares', 'tasks', 'a//b']) {
      assert.match((await coracle('slice', 'create', name)).stderr, /invalid slice name/);
    }
  });

  test('levels that are missing are made, as mkdir -p does, and said', async () => {
    const made = await ok('slice', 'create', '-m', '64m', 'a/b/c');
    assert.match(made, /^a \(made.*\na\/b \(made.*\na\/b\/c$/);
    assert.equal((await slice('a/b/c')).Limits['Memory'], 64 * MEGABYTE);
    await ok('slice', 'rm', 'a/b/c', 'a/b', 'a');
  });

  test('the cgroup of a slice serves as --cgroup-parent of the docker CLI', async () => {
    const { CgroupPath: path } = await slice('cg1/cg2');
    await daemon.ok(
      ...['run', '-d', '--name', 'docker', '--network', 'none', '--cgroup-parent', path],
      ...['busybox', 'sleep', '60'],
    );
    const { Containers: containers } = await slice('cg1/cg2');
    assert.deepEqual(
      containers.map(({ Name: name }) => name),
      ['docker'],
    );
    await daemon.ok('rm', '-f', 'docker');
  });

  test('a new daemon makes slices again, and completes what a crash cut short', async () => {
    const first = await startEngine();
    const { directory: home, env } = first;
    const records = join(home, 'data/slices');
    const run = (...argv: string[]): Promise<Result> => daemon.run([OURS, ...argv], { env });
    const edit = (name: string, change: object): void => {
      const file = join(records, `${name}.json`);
      const record = JSON.parse(readFileSync(file, 'utf8')) as { wish: object };
      writeFileSync(file, JSON.stringify({ ...record, ...change }));
    };
    try {
      for (const name of ['kept', 'going', 'changing']) {
        assert.equal((await run('slice', 'create', '-m', '64m', name)).code, 0);
      }
      await first.kill('SIGKILL');
      // As a restart of the host, and a daemon that died in the middle of rm and update.
      for (const path of cgroupsOf(home).toReversed()) rmdirSync(path);
      edit('going', { removing: true });
      edit('changing', { pending: { memory: 32 * MEGABYTE } });
      await using _second = await startEngine({ directory: home });
      const memory = async (name: string): Promise<string> => {
        const format = '{{.EffectiveLimits.Memory.Value}}';
        return (await run('slice', 'inspect', '--format', format, name)).stdout.trim();
      };
      assert.equal(await memory('kept'), String(64 * MEGABYTE));
      assert.equal(await memory('changing'), String(32 * MEGABYTE));
      assert.match((await run('slice', 'inspect', 'going')).stderr, /No such slice: going/);
      assert.deepEqual(readdirSync(records).sort(), ['changing.json', 'kept.json']);
      assert.equal((await run('slice', 'rm', 'kept', 'changing')).code, 0);
    } finally {
      await first[Symbol.asyncDispose]();
    }
  });

  test('nothing is left after rm', async () => {
    const paths = [(await slice('cg1')).CgroupPath];
    await ok('slice', 'rm', 'cg1/cg2', 'cg1');
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => / - cgroup2? /.test(line))
      .map((line) => line.split(' ')[4] ?? '');
    const left = mounts
      .flatMap((mount) => paths.map((path) => join(mount, path)))
      .filter(existsSync);
    assert.deepEqual(left, []);
    assert.equal(await ok('slice', 'ls', '-q'), '');
  });
});
