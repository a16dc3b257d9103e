import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { type CgroupFacts, factFiles, planCgroup, planParents } from './cgroup.ts';
import { DEFAULT_DEVICES } from './device-rule.ts';
import { type CgroupHost, detectCgroups } from './host.ts';
import { parseOomKills } from './oom.ts';
import type { Resources } from './resources.ts';
import { type CgroupStep, checkReadBack, type CgroupWriteStep } from './step.ts';

const V1 = detectCgroups({
  mountinfo: ['cpu,cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'pids']
    .map((name, at) => `${at} 1 0:${at} / /cg/${name} rw - cgroup cgroup rw,${name}\n`)
    .join('')
    .concat('9 1 0:9 / /cg/unified rw - cgroup2 cgroup2 rw\n'),
  selfCgroup: '1:cpuset:/own\n2:memory:/own\n',
  controllersFile: '',
});
const V1_FACTS = { '/cg/cpuset/cpuset.cpus': '0-3\n', '/cg/cpuset/cpuset.mems': '0\n' };
const V2 = detectCgroups({
  mountinfo: '9 1 0:9 / /cg rw - cgroup2 cgroup2 rw\n',
  selfCgroup: '0::/own\n',
  controllersFile: 'cpuset cpu io memory hugetlb pids misc\n',
});

function plan(
  host: CgroupHost,
  resources: Resources,
  facts: CgroupFacts = {},
  parent = '/coracle',
) {
  return planCgroup(host, { parent, name: 'ab', resources }, facts);
}

function lines(steps: readonly CgroupStep[], under = ''): string[] {
  return steps
    .filter((step) => step.path.startsWith(under))
    .map((step) => {
      if (step.op === 'cgroup_write') return `${step.path} = ${step.value}`;
      return step.op === 'mkdir' ? `mkdir ${step.path}` : `${step.op} ${step.path}`;
    });
}

test('v1: the cpuset is copied from the parent at every level', () => {
  assert.deepEqual(lines(plan(V1, {}, V1_FACTS).create, '/cg/cpuset'), [
    'mkdir /cg/cpuset/coracle',
    '/cg/cpuset/coracle/cpuset.cpus = 0-3',
    '/cg/cpuset/coracle/cpuset.mems = 0',
    'mkdir /cg/cpuset/coracle/ab',
    '/cg/cpuset/coracle/ab/cpuset.cpus = 0-3',
    '/cg/cpuset/coracle/ab/cpuset.mems = 0',
  ]);
});

test('v1: an ancestor that has a cpuset keeps it, and the leaf gets the same', () => {
  const facts = {
    ...V1_FACTS,
    '/cg/cpuset/coracle/cpuset.cpus': '1\n',
    '/cg/cpuset/coracle/cpuset.mems': '0\n',
  };
  assert.deepEqual(lines(plan(V1, {}, facts).create, '/cg/cpuset'), [
    'mkdir /cg/cpuset/coracle',
    'mkdir /cg/cpuset/coracle/ab',
    '/cg/cpuset/coracle/ab/cpuset.cpus = 1',
    '/cg/cpuset/coracle/ab/cpuset.mems = 0',
  ]);
});

test('factFiles() names the cpuset files of each ancestor', () => {
  assert.deepEqual(factFiles(V1, { parent: '/coracle' }), [
    '/cg/cpuset/cpuset.cpus',
    '/cg/cpuset/cpuset.mems',
    '/cg/cpuset/coracle/cpuset.cpus',
    '/cg/cpuset/coracle/cpuset.mems',
  ]);
  assert.deepEqual(factFiles(V2, { parent: '/coracle' }), []);
});

test('v1: the memory limit is written before memory and swap', () => {
  const { create } = plan(V1, { memory: 64 << 20, memorySwap: 128 << 20 }, V1_FACTS);
  assert.deepEqual(lines(create, '/cg/memory/coracle/ab/'), [
    '/cg/memory/coracle/ab/memory.limit_in_bytes = 67108864',
    '/cg/memory/coracle/ab/memory.memsw.limit_in_bytes = 134217728',
  ]);
});

test('v1: the period is written before the quota, and shares as they are', () => {
  const { create } = plan(V1, { nanoCpus: 5e8, cpuShares: 300 }, V1_FACTS);
  assert.deepEqual(lines(create, '/cg/cpu,cpuacct/coracle/ab/'), [
    '/cg/cpu,cpuacct/coracle/ab/cpu.shares = 300',
    '/cg/cpu,cpuacct/coracle/ab/cpu.cfs_period_us = 100000',
    '/cg/cpu,cpuacct/coracle/ab/cpu.cfs_quota_us = 50000',
  ]);
});

test('v1: devices start from nothing', () => {
  const { create } = plan(V1, { devices: DEFAULT_DEVICES }, V1_FACTS);
  const steps = lines(create, '/cg/devices/coracle/ab/');
  assert.equal(steps[0], '/cg/devices/coracle/ab/devices.deny = a');
  assert.equal(steps[1], '/cg/devices/coracle/ab/devices.allow = c *:* m');
  assert.ok(steps.includes('/cg/devices/coracle/ab/devices.allow = c 136:* rwm'));
});

test('hybrid: init joins every v1 hierarchy, is cloned into v2, and each leaf is removed', () => {
  const made = plan(V1, {}, V1_FACTS);
  assert.deepEqual(made.join, [
    '/cg/cpu,cpuacct/coracle/ab',
    '/cg/cpuset/coracle/ab',
    '/cg/memory/coracle/ab',
    '/cg/devices/coracle/ab',
    '/cg/freezer/coracle/ab',
    '/cg/pids/coracle/ab',
  ]);
  assert.deepEqual(made.directories, [...made.join, '/cg/unified/coracle/ab']);
  assert.equal(made.unified, '/cg/unified/coracle/ab');
  assert.equal(made.freezer?.path, '/cg/freezer/coracle/ab/freezer.state');
  assert.equal(made.oomFile, '/cg/memory/coracle/ab/memory.oom_control');
  assert.equal(made.view.version, 1);
});

test('v2: controllers are enabled from the top down, then limits are written', () => {
  const made = plan(V2, {
    memory: 64 << 20,
    memorySwap: 128 << 20,
    cpuShares: 1024,
    nanoCpus: 5e8,
    pidsLimit: 10,
    cpusetCpus: '0',
    devices: DEFAULT_DEVICES,
  });
  assert.deepEqual(lines(made.create), [
    '/cg/cgroup.subtree_control = +cpuset +cpu +io +memory +pids',
    'mkdir /cg/coracle',
    '/cg/coracle/cgroup.subtree_control = +cpuset +cpu +io +memory +pids',
    'mkdir /cg/coracle/ab',
    '/cg/coracle/ab/cpuset.cpus = 0',
    '/cg/coracle/ab/cpu.weight = 100',
    '/cg/coracle/ab/cpu.max = 50000 100000',
    '/cg/coracle/ab/memory.max = 67108864',
    '/cg/coracle/ab/memory.swap.max = 67108864',
    '/cg/coracle/ab/pids.max = 10',
    'cgroup_device /cg/coracle/ab',
  ]);
  assert.deepEqual(made.join, []);
  assert.equal(made.unified, '/cg/coracle/ab');
  assert.equal(made.freezer?.path, '/cg/coracle/ab/cgroup.freeze');
  assert.equal(made.oomFile, '/cg/coracle/ab/memory.events');
  assert.deepEqual(made.view, { version: 2, path: '/coracle/ab', source: '/cg/coracle/ab' });
});

test('v1: the parent of all has the real-time budget before the first container, and last', () => {
  const budget = { runtime: 200_000, period: 1_000_000 };
  const without = lines(planParents(V1, '/coracle', undefined, V1_FACTS));
  assert.deepEqual(lines(planParents(V1, '/coracle', budget, V1_FACTS)), [
    ...without,
    'mkdir /cg/cpu,cpuacct/coracle',
    '/cg/cpu,cpuacct/coracle/cpu.rt_period_us = 1000000',
    '/cg/cpu,cpuacct/coracle/cpu.rt_runtime_us = 200000',
  ]);
});

test('a relative parent is below the cgroup of the daemon', () => {
  assert.deepEqual(plan(V2, {}, {}, 'mine').directories, ['/cg/own/mine/ab']);
});

test('a parent with ".." cannot leave the hierarchy, nor a name its parent', () => {
  assert.deepEqual(plan(V2, {}, {}, '/../../etc').directories, ['/cg/etc/ab']);
  assert.deepEqual(plan(V2, {}, {}, '../../etc').directories, ['/cg/own/etc/ab']);
  assert.throws(
    () => planCgroup(V2, { parent: '/c', name: '..', resources: {} }, {}),
    (error) => isEngineError(error, 'invalid_argument'),
  );
});

test('checkReadBack() names file, wanted and got', () => {
  const step: CgroupWriteStep = {
    op: 'cgroup_write',
    path: '/cg/memory.max',
    value: '67108864',
    check: 'page_rounded',
  };
  assert.throws(
    () => checkReadBack(step, '4096\n'),
    (error) =>
      isEngineError(error, 'kernel_refused') &&
      error.facts.file === '/cg/memory.max' &&
      error.facts.wanted === '67108864' &&
      error.facts.got === '4096',
  );
});

test('checkReadBack() accepts what the kernel does to each kind of value', () => {
  const accept = (check: CgroupWriteStep['check'], value: string, text: string): void =>
    checkReadBack({ op: 'cgroup_write', path: '/f', value, check }, text);
  accept('exact', '100', '100\n');
  accept('page_rounded', '67108865', '67108864\n');
  accept('page_rounded', '9223372036854775807', 'max\n');
  accept('page_rounded', '9223372036854775807', '9223372036854771712\n');
  accept('id_list', '0,1,2', '0-2\n');
  accept('enabled', '+cpu +pids', 'cpu memory pids\n');
  accept('oom_control', '1', 'oom_kill_disable 1\nunder_oom 0\noom_kill 0\n');
  accept('io_weight', '500', 'default 500\n');
  assert.throws(() => accept('id_list', '0-2', '0-1\n'));
  assert.throws(() => accept('enabled', '+cpu +pids', 'cpu\n'));
});

test('parseOomKills() reads both versions', () => {
  assert.equal(parseOomKills('oom_kill_disable 0\nunder_oom 0\noom_kill 3\n'), 3);
  assert.equal(parseOomKills('low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n'), 1);
  assert.equal(parseOomKills('oom_kill_disable 0\nunder_oom 0\n'), 0);
});
