// Texts as kernels write them: 6.18 (v1, hybrid) and 6.12 (v2).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CgroupHost } from '../host.ts';
import { parseHostCpu } from './cpu.ts';
import { OomLog, parseOomTotal } from './oom-log.ts';
import { listSubsystems } from './subsystem.ts';
import { planUsage, type Usage } from './usage.ts';

const v1 = (...controllers: string[]) => ({
  controllers,
  mountpoint: `/cg/${controllers.join(',')}`,
  root: '/',
  own: '/',
});
const HYBRID: CgroupHost = {
  version: 1,
  hierarchies: [v1('cpu', 'cpuacct'), v1('memory'), v1('blkio'), v1('pids')],
  unified: { ...v1(), mountpoint: '/cg/unified' },
};
const UNIFIED: CgroupHost = {
  version: 2,
  hierarchies: [],
  unified: { ...v1('cpu', 'io', 'memory', 'pids'), mountpoint: '/cg' },
};

/** What a host with exactly these files would tell of the container. */
function usageOf(host: CgroupHost, texts: Readonly<Record<string, string>>): Usage {
  const plan = planUsage(host, { parent: '/coracle', name: 'ab' });
  const known = new Set(plan.files);
  for (const file of Object.keys(texts)) assert.ok(known.has(file), `${file} is not read`);
  return plan.parse(plan.files.map((file) => texts[file]));
}

test('version 1: each controller where it is bound, pressure from the cgroup2 of a hybrid host', () => {
  const cpu = '/cg/cpu,cpuacct/coracle/ab';
  const usage = usageOf(HYBRID, {
    [`${cpu}/cpuacct.usage_percpu`]: '100 200 \n',
    [`${cpu}/cpuacct.stat`]: 'user 3\nsystem 4\n',
    [`${cpu}/cpu.stat`]: 'nr_periods 5\nnr_throttled 2\nthrottled_time 700\nnr_bursts 0\n',
    '/cg/memory/coracle/ab/memory.stat': 'cache 4096\nhierarchical_memory_limit 67108864\n',
    '/cg/memory/coracle/ab/memory.usage_in_bytes': '8192\n',
    '/cg/memory/coracle/ab/memory.limit_in_bytes': '67108864\n',
    '/cg/memory/coracle/ab/memory.max_usage_in_bytes': '9000\n',
    '/cg/memory/coracle/ab/memory.failcnt': '6\n',
    '/cg/memory/coracle/ab/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
    '/cg/blkio/coracle/ab/blkio.throttle.io_service_bytes_recursive':
      '254:0 Read 4096\n254:0 Write 0\nTotal 4096\n',
    '/cg/pids/coracle/ab/pids.current': '2\n',
    '/cg/pids/coracle/ab/pids.max': 'max\n',
    '/cg/unified/coracle/ab/io.pressure': 'some avg10=1.50 avg60=0.20 avg300=0.00 total=900\n',
  });
  assert.deepEqual(usage, {
    cpu: {
      version: 1,
      total: 300,
      user: 30_000_000,
      kernel: 40_000_000,
      perCpu: [100, 200],
      throttling: { periods: 5, throttledPeriods: 2, throttledTime: 700 },
    },
    memory: {
      version: 1,
      usage: 8192,
      limit: 67_108_864,
      maxUsage: 9000,
      failures: 6,
      stat: { cache: 4096, hierarchical_memory_limit: 67_108_864 },
      events: { oom_kill_disable: 0, under_oom: 0, oom_kill: 1 },
    },
    io: {
      version: 1,
      bytes: [
        { major: 254, minor: 0, op: 'Read', value: 4096 },
        { major: 254, minor: 0, op: 'Write', value: 0 },
      ],
      operations: [],
    },
    pids: { version: 1, current: 2, limit: undefined },
    pressure: { io: { some: { avg10: 1.5, avg60: 0.2, avg300: 0, total: 900 } } },
  });
});

test('version 2: microseconds become nanoseconds, "max" is no limit', () => {
  const at = '/cg/coracle/ab';
  const usage = usageOf(UNIFIED, {
    [`${at}/cpu.stat`]:
      'usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 1\nnr_throttled 1\nthrottled_usec 2\n',
    [`${at}/memory.stat`]: 'anon 4096\ninactive_file 100\n',
    [`${at}/memory.current`]: '8192\n',
    [`${at}/memory.max`]: 'max\n',
    [`${at}/memory.events`]: 'low 0\nhigh 1\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n',
    [`${at}/io.stat`]: '254:0 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=0 dios=0\n',
    [`${at}/pids.current`]: '1\n',
    [`${at}/pids.max`]: '20\n',
  });
  assert.equal(usage.cpu?.total, 9000);
  assert.equal(usage.cpu?.perCpu, undefined);
  assert.equal(usage.cpu?.throttling.throttledTime, 2000);
  assert.equal(usage.memory?.limit, undefined);
  assert.equal(usage.memory?.failures, 2);
  assert.equal(usage.memory?.events['high'], 1);
  assert.deepEqual(
    usage.io?.bytes.map(({ op, value }) => [op, value]),
    [
      ['read', 4096],
      ['write', 512],
    ],
  );
  assert.deepEqual(usage.pids, { version: 2, current: 1, limit: 20 });
  assert.equal(usage.pressure, undefined);
});

test('the time of the host leaves out what others stole and guests', () => {
  const stat = 'cpu  1 2 3 4 5 6 7 800 900 0\ncpu0 1 1 1 1 1 1 1 1 1 0\ncpu1 0 0 0\nintr 5\n';
  assert.deepEqual(parseHostCpu(stat), { nanoseconds: 280_000_000, cpus: 2 });
});

test('the kernel log names victims, several after one line that names their cgroup', () => {
  const log = new OomLog();
  const killed = 'Killed process 7 (a (b) c) total-vm:9kB, anon-rss:4kB, file-rss:0kB';
  assert.equal(log.feed('6,1,2,-;eth0: entered promiscuous mode\n'), undefined);
  const summary =
    'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,' +
    'oom_memcg=/c,task_memcg=/c/ab,task=a,pid=7,uid=0';
  assert.equal(log.feed(`6,3,4,-;${summary}\n`), undefined);
  const victim = { pid: 7, name: 'a (b) c', anonBytes: 4096, cgroup: '/c/ab' };
  assert.deepEqual(log.feed(`3,4,5,-;Memory cgroup out of memory: ${killed}\n`), victim);
  assert.deepEqual(log.feed(`3,5,6,-;Memory cgroup out of memory: ${killed}\n`), victim);
  assert.equal(parseOomTotal('nr_free 5\noom_kill 12\ndrop 3\n'), 12);
});

test('a subsystem says where it is, and why an option cannot be used', () => {
  const host = { ...HYBRID, files: new Set(['cpu.shares']) };
  const list = listSubsystems(host, 'cpu\t1\t13\t1\nperf_event\t0\t13\t1\n');
  const cpu = list.find(({ name }) => name === 'cpu');
  assert.equal(cpu?.version, 1);
  assert.equal(cpu?.cgroups, 13);
  const option = (name: string) => cpu?.options.find((each) => each.option === name);
  assert.deepEqual(option('--cpu-shares'), {
    option: '--cpu-shares',
    files: ['cpu.shares'],
    missing: undefined,
  });
  assert.match(option('--cpu-idle')?.missing ?? '', /this kernel has no cpu\.idle/);
  assert.equal(list.find(({ name }) => name === 'perf_event')?.version, undefined);
  const unified = listSubsystems(UNIFIED, '');
  assert.deepEqual(unified.find(({ name }) => name === 'io')?.mountpoint, '/cg');
});
