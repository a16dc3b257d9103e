import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { detectCgroups, hasController, hierarchyOf, ownPath } from './host.ts';

const HYBRID = `22 26 0:21 / /sys rw,relatime - sysfs sysfs rw
30 22 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
34 30 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 30 0:36 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd,release_agent=/x
40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
`;
const HYBRID_SELF = `9:name=systemd:/user.slice
4:memory:/process_api/5d:6f
1:cpu,cpuacct:/
0::/user.slice
`;
const V2 = '30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';

test('detectCgroups() reads a hybrid host with co-mounted subsystems', () => {
  const host = detectCgroups({
    mountinfo: HYBRID,
    selfCgroup: HYBRID_SELF,
    controllersFile: 'hugetlb\n',
  });
  assert.equal(host.version, 1);
  assert.deepEqual(host.hierarchies, [
    {
      controllers: ['cpu', 'cpuacct'],
      mountpoint: '/sys/fs/cgroup/cpu,cpuacct',
      root: '/',
      own: '/',
    },
    {
      controllers: ['memory'],
      mountpoint: '/sys/fs/cgroup/memory',
      root: '/',
      own: '/process_api/5d:6f',
    },
    {
      controllers: ['name=systemd'],
      mountpoint: '/sys/fs/cgroup/systemd',
      root: '/',
      own: '/user.slice',
    },
  ]);
  assert.deepEqual(host.unified, {
    controllers: ['hugetlb'],
    mountpoint: '/sys/fs/cgroup/unified',
    root: '/',
    own: '/user.slice',
  });
  assert.equal(hierarchyOf(host, 'cpuacct')?.mountpoint, '/sys/fs/cgroup/cpu,cpuacct');
  assert.equal(hasController(host, 'hugetlb'), true);
  assert.equal(hasController(host, 'pids'), false);
});

test('detectCgroups() reads a host with cgroup2 alone', () => {
  const host = detectCgroups({
    mountinfo: V2,
    selfCgroup: '0::/system.slice/coracle.service\n',
    controllersFile: 'cpuset cpu io memory pids\n',
  });
  assert.equal(host.version, 2);
  assert.deepEqual(host.hierarchies, []);
  assert.equal(host.unified?.own, '/system.slice/coracle.service');
});

test('ownPath() is relative to what a bind mount shows', () => {
  const host = detectCgroups({
    mountinfo: '31 30 0:28 /docker/ab /sys/fs/cgroup/my\\040cpu rw - cgroup cgroup rw,cpu\n',
    selfCgroup: '1:cpu:/docker/ab/init\n',
  });
  const cpu = hierarchyOf(host, 'cpu');
  assert.ok(cpu);
  assert.equal(cpu.mountpoint, '/sys/fs/cgroup/my cpu');
  assert.equal(ownPath(cpu), '/init');
});

test('detectCgroups() prefers the mount that shows the whole hierarchy', () => {
  const host = detectCgroups({
    mountinfo:
      '31 30 0:28 /docker/ab /a rw - cgroup cgroup rw,cpu\n' +
      '32 30 0:28 / /b rw - cgroup cgroup rw,cpu\n',
    selfCgroup: '1:cpu:/\n',
  });
  assert.equal(host.hierarchies.length, 1);
  assert.equal(hierarchyOf(host, 'cpu')?.mountpoint, '/b');
});

test('detectCgroups() leaves out a mount that a later one covers', () => {
  const host = detectCgroups({
    mountinfo: `31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n${V2}`,
    selfCgroup: '1:cpu:/\n0::/\n',
  });
  assert.equal(host.version, 2);
});

test('detectCgroups() says when nothing is mounted', () => {
  assert.throws(
    () => detectCgroups({ mountinfo: '', selfCgroup: '0::/\n' }),
    (error) => isEngineError(error, 'unavailable'),
  );
});

test('a subsystem that cgroup_no_v1 switches off is not mounted on demand', () => {
  const names = (bootLine: string): string[] => {
    const host = detectCgroups({
      mountinfo: '9 1 0:9 / /cg rw - cgroup2 cgroup2 rw\n',
      selfCgroup: '0::/\n',
      // The kernel says that they are enabled all the same.
      subsystems: 'net_cls\t0\t1\t1\nnet_prio\t0\t1\t1\n',
      privateDirectory: '/run/x',
      bootLine,
    });
    return (host.onDemand ?? []).flatMap(({ controllers }) => controllers);
  };
  assert.deepEqual(names('root=/dev/vda quiet\n'), ['net_cls', 'net_prio']);
  assert.deepEqual(names('quiet cgroup_no_v1=memory,net_cls\n'), ['net_prio']);
  assert.deepEqual(names('cgroup_no_v1=all quiet\n'), []);
});
