// stats as clients read them, oom events, and the two views of cgroups, on the host's own version.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { planUsage } from '#kernel/cgroup/usage/usage.ts';
import { readHostFacts } from '#runtime/facts.ts';
import { UsageReader } from '#runtime/usage.ts';
import type { CgroupNode, CgroupSubsystems, CgroupTree } from '#wire/cgroup.ts';
import type { ContainerStats } from '#wire/stats.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const OURS = join(ROOT, 'bin/coracle');
const ZERO = '0001-01-01T00:00:00Z';
const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  const busy = ['sh', '-c', 'dd if=/dev/zero of=/dev/null'];
  await daemon.ok('run', '-d', '--name', 'busy', '-m', '64m', '--cpus', '.5', 'busybox', ...busy);
  await daemon.ok('create', '--name', 'idle', 'busybox', 'true');
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

async function stats(name: string, query: string): Promise<ContainerStats> {
  const { json } = await daemon.api('GET', `/containers/${name}/stats?${query}`);
  return json as ContainerStats;
}

/** The first frames of a stream. */
function frames(name: string, count: number): Promise<ContainerStats[]> {
  const { promise, resolve, reject } = Promise.withResolvers<ContainerStats[]>();
  const path = `/containers/${name}/stats`;
  const out = request({ socketPath: daemon.engine.socket, path }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => {
      text += String(chunk);
      const lines = text.split('\n');
      if (lines.length <= count) return;
      out.destroy();
      resolve(lines.slice(0, count).map((line) => JSON.parse(line) as ContainerStats));
    });
    response.on('error', () => {});
  });
  out.on('error', reject);
  out.end();
  return promise;
}

test('one sample has another before it, so that a share of the CPU is known', {
  skip,
}, async () => {
  const { cpu_stats: cpu, precpu_stats: before, ...rest } = await stats('busy', 'stream=false');
  const spent = cpu.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (cpu.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const share = (spent / passed) * (cpu.online_cpus ?? 0);
  assert.ok(share > 0.05 && share < 0.8, `of --cpus .5 it got ${share}`);
  assert.ok(cpu.throttling_data.periods > 0);
  assert.equal(rest.memory_stats.limit, 64 << 20);
  assert.ok((rest.memory_stats.usage ?? 0) > 0);
  assert.equal(rest.pids_stats.current, 1);
  assert.deepEqual(Object.keys(rest.networks ?? {}), ['eth0']);
  assert.equal(rest.name, '/busy');
  assert.notEqual(rest.preread, ZERO);
});

test('one shot comes at once, and knows nothing of before', { skip }, async () => {
  const { preread, precpu_stats: before } = await stats('busy', 'stream=false&one-shot=true');
  assert.equal(preread, ZERO);
  assert.equal(before.cpu_usage.total_usage, 0);
  const refused = await daemon.api('GET', '/containers/busy/stats?one-shot=true');
  assert.equal(refused.status, 400);
  assert.deepEqual(refused.json, { message: 'cannot have stream=true and one-shot=true' });
  assert.equal((await daemon.api('GET', '/containers/nobody/stats')).status, 404);
});

test('what does not run has zeros, once and in a stream', { skip }, async () => {
  for (const each of [await stats('idle', 'stream=false'), ...(await frames('idle', 1))]) {
    assert.equal(each.read, ZERO);
    assert.deepEqual(each.pids_stats, {});
    assert.deepEqual(each.memory_stats, {});
    assert.equal(each.blkio_stats.io_service_bytes_recursive, null);
    assert.equal('networks' in each, false);
  }
});

test('watchers of one container share its samples', { skip }, async () => {
  const [one = [], other = []] = await Promise.all([frames('busy', 2), frames('busy', 2)]);
  assert.equal(one[0]?.preread, ZERO);
  assert.equal(one[1]?.preread, one[0]?.read);
  assert.ok(one.some(({ read }) => other.some((each) => each.read === read)));
});

test('reading 200 containers once a second costs less than 3 % of one core', {
  skip,
}, async () => {
  const view = await daemon.ok('inspect', '-f', '{{.Id}} {{.State.Pid}}', 'busy');
  const [name = '', pid = ''] = view.split(' ');
  const request = { parent: daemon.engine.cgroupParent, name };
  using reader = new UsageReader(planUsage(readHostFacts().cgroups, request), Number(pid));
  assert.ok(reader.read(['eth0'])?.usage.memory);
  const samples = 2_000;
  const before = process.cpuUsage();
  for (let sample = 0; sample < samples; sample += 1) reader.read(['eth0']);
  const { user, system } = process.cpuUsage(before);
  const share = (((user + system) / samples) * 200) / 1e6;
  assert.ok(share < 0.03, `${(share * 100).toFixed(1)} % of a core`);
});

test('docker stats and coracle stats print the same of what stands still', { skip }, async () => {
  await daemon.ok('run', '-d', '--name', 'still', '--network', 'none', 'busybox', 'sleep', '99');
  for (const args of [
    ['idle', 'still'],
    ['--no-trunc', 'idle'],
    ['--format', 'json', 'still'],
    ['--format', 'table {{.Container}}\\t{{.ID}}\\t{{.PIDs}}\\t{{.NetIO}}', 'idle'],
    ['nobody'],
  ]) {
    const line = ['stats', '--no-stream', ...args];
    const theirs = await daemon.docker(...line);
    const ours = await daemon.run([OURS, ...line]);
    // Its memory shrinks by itself when pages of a CPU's stock are given back, and a start takes a
    // part of the CPU for a moment.
    const steady = (text: string): string => text.replace(/[\d.]+KiB \/|\d+\.\d\d%/g, '');
    assert.equal(steady(ours.stdout), steady(theirs.stdout), args.join(' '));
    assert.equal(ours.stderr.trim(), theirs.stderr.trim());
    assert.equal(ours.code, theirs.code);
  }
});

test('coracle stats has one stream of each container, however often it is started', {
  skip,
}, async () => {
  await daemon.ok('run', '-d', '--name', 'again', '--network', 'none', 'busybox', 'sleep', '99');
  const env = { ...process.env, ...daemon.engine.env };
  const program = spawn(OURS, ['stats'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(program.stdout, 'data');
    program.stdout.resume();
    const directory = `/proc/${program.pid}/fd`;
    // One that was closed while the others were looked at is none.
    const isSocket = (name: string): boolean => {
      try {
        return readlinkSync(join(directory, name)).startsWith('socket:');
      } catch {
        return false;
      }
    };
    const sockets = (): number => readdirSync(directory).filter(isSocket).length;
    const before = sockets();
    for (let time = 0; time < 3; time += 1) await daemon.ok('restart', '-t', '0', 'again');
    const deadline = performance.now() + 5_000;
    while (sockets() !== before && performance.now() < deadline) await sleep(20);
    assert.equal(sockets(), before);
  } finally {
    program.kill('SIGKILL');
    await daemon.ok('rm', '-f', 'again');
  }
});

test('a child killed for want of memory is told of while the container runs on', {
  skip,
}, async () => {
  const script = 'tail /dev/zero; sleep 99';
  const limits = ['-m', '16m', '--memory-swap', '16m'];
  const id = await daemon.ok('run', '-d', ...limits, 'busybox', 'sh', '-c', script);
  const filters = ['--filter', 'event=oom', '--filter', `container=${id}`];
  let told = '';
  for (let poll = 0; poll < 50 && told === ''; poll += 1) {
    await sleep(100);
    told = await daemon.ok('events', '--since', '1m', '--until', '0s', ...filters);
  }
  assert.match(told, / container oom /);
  assert.match(told, /victimName=tail, victimPid=\d+/);
  assert.equal(await daemon.ok('inspect', '-f', '{{.State.Running}}', id), 'true');
});

function find(node: CgroupNode, name: string): CgroupNode | undefined {
  if (node.Container?.Name === name) return node;
  for (const child of node.Children) {
    const found = find(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

test('the tree has every container with its processes, usage and limits', { skip }, async () => {
  const { json } = await daemon.api('GET', '/coracle/cgroups/tree');
  const nodes = (json as CgroupTree).Hierarchies.flatMap(({ Cgroup: root }) => {
    const found = root === null ? undefined : find(root, 'busy');
    return found === undefined ? [] : [found];
  });
  const pid = Number(await daemon.ok('inspect', '-f', '{{.State.Pid}}', 'busy'));
  assert.ok(nodes.length > 0);
  for (const node of nodes) assert.ok(node.Processes.some(({ Pid: each }) => each === pid));
  const usage = nodes.flatMap(({ Usage: gauges }) => gauges);
  const memory = usage.find(({ Name: name }) => name === 'memory');
  assert.equal(memory?.Limit, 64 << 20);
  assert.equal(usage.find(({ Unit: unit }) => unit === 'cpus')?.Limit, 0.5);
  const drawn = await daemon.run([OURS, 'cgroup', 'tree', '--controller', 'memory']);
  assert.match(drawn.stdout, /busy \([0-9a-f]{12}\) +.*memory: .* of 64MiB/);
  const none = await daemon.run([OURS, 'cgroup', 'tree', '--controller', 'memroy']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no hierarchy has the controller memroy; there are: .*memory/);
});

test('subsystems say what this kernel has and which options need it', { skip }, async () => {
  const { json } = await daemon.api('GET', '/coracle/cgroups/subsystems');
  const memory = (json as CgroupSubsystems).Subsystems.find(({ Name: name }) => name === 'memory');
  assert.ok(memory?.Options.some((each) => each.Option === '--memory' && each.Missing === null));
  const text = (await daemon.run([OURS, 'cgroup', 'subsystems'])).stdout;
  assert.match(text, /^memory +cgroup v[12] at \//m);
  assert.match(text, /^ns +not in this kernel/m);
});
