// Runs inside the kernel that debian.ts boots, which has two CPUs and every controller of cgroup2:
// the limits that no other kernel of the tests keeps, some of the others, and networks.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { checkRow, makeDisk, mountHugePages } from '../root/limit-check.ts';
import { type Json, type LimitedContainer, LimitHost, until } from '../root/limit-host.ts';
import { checkDeviceWeights, checkSharing } from '../root/limit-weights.ts';
import { CPU_ROWS, type Disk, ROWS, type Row, WAIT } from '../root/limit-rows.ts';

/** Of those that User Mode Linux tries as well: it has one CPU, no cpuset and no huge pages. */
const OTHERS = [
  'CpusetCpus and CpusetMems',
  'HugetlbLimits',
  'Memory and MemorySwap',
  'BlkioDeviceWriteBps',
  'CpuShares',
];
const UVERBS = '/dev/infiniband/uverbs0';
/** IB_USER_VERBS_CMD_GET_CONTEXT on a device, which is charged as one handle; two times. */
const TWO_HANDLES = `
import ctypes, os, struct, sys
open(sys.argv[1] + '/cgroup.procs', 'w').write('0')
for _ in range(2):
    fd = os.open(sys.argv[2], os.O_RDWR)
    answer = ctypes.create_string_buffer(8)
    try:
        os.write(fd, struct.pack('=IHHQ', 0, 4, 2, ctypes.addressof(answer)))
        print('got')
    except OSError as error:
        print(error.strerror)
`;

let host: LimitHost;
let disk: Disk;
let hugePages: string | undefined;

before(async () => {
  const folder = mkdtempSync('/tmp/coracle-limits-');
  host = await LimitHost.start();
  disk = makeDisk(folder);
  hugePages = mountHugePages(folder);
});

after(() => host[Symbol.asyncDispose]());

for (const make of [...ROWS, ...CPU_ROWS]) {
  const { name } = make({ disk: { path: '', numbers: '' }, hugePages: undefined });
  if (OTHERS.includes(name)) {
    test(`${name}, with two CPUs`, () => checkRow(host, make({ disk, hugePages })));
  }
}

function cpusOf(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return /^Cpus_allowed_list:\t(.*)$/m.exec(status)?.[1] ?? '';
}

test('a partition has its CPUs for itself, and gives them back', async () => {
  const other = await host.run(WAIT, {});
  const row: Row = {
    name: 'CpusetPartition',
    controller: { 2: 'cpuset' },
    files: {
      2: {
        'cpuset.cpus.partition': ['root', 'isolated', 'member'],
        'cpuset.cpus': ['1', '1', '1'],
      },
    },
    // Linux 6.1 makes one of a child of another only, and the root cgroup is the first.
    host: { CgroupParent: '/' },
    wishes: [
      { CpusetCpus: '1', CpusetPartition: 'root' },
      { CpusetPartition: 'isolated' },
      { Unset: ['CpusetPartition'] },
    ],
    effect: async (container, stage) => {
      assert.equal(cpusOf(container.pid), '1');
      assert.equal(cpusOf(other.pid), stage === 2 ? '0-1' : '0');
    },
  };
  await checkRow(host, row);
  await other.remove();
});

test('a CPU that a partition has is not named by who gives up a list of its own', async () => {
  const other = await host.run(WAIT, { CpusetCpus: '0' });
  const made = { CgroupParent: '/', CpusetCpus: '1', CpusetPartition: 'root' };
  const container = await host.run(WAIT, made);
  await other.update({ Unset: ['CpusetCpus'] });
  assert.equal(other.read('cpuset', 'cpuset.cpus'), '0');
  assert.equal(container.read('cpuset', 'cpuset.cpus.partition'), 'root');
  await container.update({ Unset: ['CpusetPartition', 'CpusetCpus'] });
  assert.equal(container.read('cpuset', 'cpuset.cpus'), '0-1');
  await Promise.all([container.remove(), other.remove()]);
});

test('a partition that the kernel does not make is refused in its words', async () => {
  const container = await host.run(WAIT, { CpusetCpus: '1' });
  await assert.rejects(
    () => container.update({ CpusetPartition: 'root' }),
    /wrote "root" to \/.*\/cpuset\.cpus\.partition, but the kernel kept "root invalid \(Parent is not a partition root\)"/,
  );
  assert.equal(container.read('cpuset', 'cpuset.cpus.partition'), 'member');
  await container.remove();
});

test('the weight of a disk is kept by its scheduler, in the file of that', () =>
  checkDeviceWeights(host, disk));

test('two containers share a disk by their weights, which change live', () =>
  checkSharing(host, disk));

test('handles of RDMA end at their limit, and it is changed and taken away', async () => {
  execFileSync('rdma', ['link', 'add', 'rxe0', 'type', 'rxe', 'netdev', 'lo']);
  try {
    await until('the device is there', () => existsSync(UVERBS));
    const max = (HcaHandle: number): Json => ({ RdmaLimits: { rxe0: { HcaHandle } } });
    const handles = (container: LimitedContainer): string =>
      execFileSync('python3', ['-c', TWO_HANDLES, container.directory('rdma'), UVERBS], {
        encoding: 'utf8',
      });
    const device = { PathOnHost: UVERBS, PathInContainer: UVERBS, CgroupPermissions: 'rw' };
    const container = await host.run(WAIT, { ...max(1), Devices: [device] });
    const read = () => container.read('rdma', 'rdma.max');
    assert.equal(read(), 'rxe0 hca_handle=1 hca_object=max');
    assert.equal(handles(container), 'got\nResource temporarily unavailable\n');
    await container.update(max(2));
    assert.equal(read(), 'rxe0 hca_handle=2 hca_object=max');
    assert.equal(handles(container), 'got\ngot\n');
    await container.update({ Unset: ['RdmaLimits'] });
    assert.equal(read(), 'rxe0 hca_handle=max hca_object=max');
    await assert.rejects(
      () => container.update({ RdmaLimits: { none: { HcaHandle: 1 } } }),
      /cannot write "none hca_handle=1 hca_object=max" to \/.*\/rdma\.max: ENODEV/,
    );
    await container.remove();
  } finally {
    execFileSync('rdma', ['link', 'delete', 'rxe0']);
  }
});

test('what this kernel has no resource or no file for is refused by name', async () => {
  const container = await host.run(WAIT, {});
  const refused = (wish: Json, why: RegExp) => assert.rejects(() => container.update(wish), why);
  // The controller is there, but nothing that it could count.
  await refused({ MiscLimits: { sev: 1 } }, /cannot write "sev 1" to \/.*\/misc\.max: EINVAL/);
  await refused(
    { CpuUclampMax: 50 },
    /CpuUclampMax cannot be set: this kernel has no cpu\.uclamp\.max/,
  );
  // Switched off where it was booted, so it cannot be mounted either.
  await refused({ NetClassId: 5 }, /NetClassId cannot be set: .* or it is switched off/);
  await container.remove();
});

// By the API: to start the docker CLI takes a second where each instruction is translated.
test('containers of a network find each other by name, and a port is published', async () => {
  await host.call('POST', '/networks/create', { Name: 'n' });
  const ports = { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '18080' }] } };
  const serve = 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp';
  const web = await host.run(serve, { NetworkMode: 'n', ...ports });
  await host.call('POST', `/containers/${web.id}/rename?name=web`);
  const client = await host.run(WAIT, { NetworkMode: 'n' });
  const { out: answer } = await client.shell('nslookup web 127.0.0.11');
  const address = /^Address[ \d]*:\s+(172\.\S+)/m.exec(answer)?.[1];
  assert.ok(address, answer);
  // busybox's own wget asks glibc for addresses, which is not in the image.
  const get = (to: string, port: number) =>
    `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 ${to} ${port}`;
  const answers = async () => /hello\n$/.test((await client.shell(get(address, 80))).out);
  await until('it answers', answers);
  // The engine's host is a network namespace.
  const outside = ['nsenter', `--net=/proc/${host.daemon.engine.pid}/ns/net`, 'sh', '-c'];
  const published = await host.daemon.run([...outside, get('127.0.0.1', 18_080)]);
  assert.match(published.stdout, /hello\n$/, published.stderr);
  await Promise.all([web.remove(), client.remove()]);
  await host.call('DELETE', '/networks/n');
});

test('pressure of a container is in its stats', async () => {
  const container = await host.run(WAIT, {});
  const stats = await host.call('GET', `/containers/${container.id}/stats?stream=0&one-shot=1`);
  const shown = Object.keys((stats['pressure_stats'] ?? {}) as Json).toSorted();
  assert.deepEqual(shown, ['cpu', 'io', 'memory']);
  await container.remove();
});
