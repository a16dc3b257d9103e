// Limits of a directory by the two ways that there are: the file system's own project quotas, and a
// file system in a sparse file. Run here, and once more in the kernel that test/cgroup2 boots,
// which has quotas and lets a mounted file system grow.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { growLimit, makeLimit, readQuota } from '#kernel/disk/disk.ts';
import { NativeAgent } from '#kernel/native/agent.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { NATIVE } from './native-path.ts';

const isRoot = process.getuid?.() === 0;
const canDisk = existsSync('/dev/loop-control') && spawnSync('mkfs.ext4', ['-V']).status === 0;
const skip = isRoot && canDisk ? false : 'needs root, loop devices and mkfs.ext4';
const CAP_SYS_RESOURCE = 1n << 24n;
const effective = /^CapEff:\t(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
const canGrow = (BigInt(`0x${effective}`) & CAP_SYS_RESOURCE) !== 0n;
const skipGrow = skip || (canGrow ? false : 'needs CAP_SYS_RESOURCE to resize a mounted ext4');

const directory = isRoot ? makeScratch('disk-') : '';
const agent = new NativeAgent(NATIVE);
const perform = agent.perform.bind(agent);
after(async () => {
  await agent[Symbol.asyncDispose]();
  if (isRoot) assert.deepEqual(removeScratch(directory), []);
});

const MIB = 1024 * 1024;

/** How many bytes go into one file before the disk is full. */
function fill(path: string): number {
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=64k', 'count=2000'], { stdio: 'ignore' });
  return statSync(path).size;
}

function place(name: string): { path: string; target: string } {
  const path = join(directory, name);
  mkdirSync(path);
  return { path, target: join(path, '_data') };
}

test('a directory in a sparse file ends at its size, and takes the space that is written to', {
  skip,
}, async () => {
  const { path, target } = place('plain');
  assert.deepEqual(await makeLimit(perform, path, target, 20 * MIB), {
    kind: 'disk',
    bytes: 20 * MIB,
  });
  const image = join(path, 'disk.img');
  assert.ok(statSync(image).blocks * 512 < 2 * MIB);
  await perform([{ op: 'disk_mount', image, target }]);
  assert.deepEqual(readdirSync(target), []);
  const written = fill(join(target, 'f'));
  assert.ok(written > 10 * MIB && written < 20 * MIB, String(written));
  await perform([{ op: 'volume_unmount', target }]);
});

test('a file system in a file grows while it is mounted', { skip: skipGrow }, async () => {
  const { path, target } = place('grow');
  const bytes = 60 * MIB;
  const limit = await makeLimit(perform, path, target, 20 * MIB);
  await perform([{ op: 'disk_mount', image: join(path, 'disk.img'), target }]);
  fill(join(target, 'f'));
  const grown = await growLimit(perform, path, target, { limit, bytes, used: true });
  assert.deepEqual(grown, { kind: 'disk', bytes });
  const { bsize, blocks } = statfsSync(target);
  assert.ok(bsize * blocks > 45 * MIB, `${bsize} ${blocks}`);
  assert.ok(fill(join(target, 'g')) > 25 * MIB);
  await perform([{ op: 'volume_unmount', target }]);
});

test('one that nobody has mounted grows where the kernel refuses to, too', { skip }, async () => {
  const { path, target } = place('offline');
  const limit = await makeLimit(perform, path, target, 20 * MIB);
  await growLimit(perform, path, target, { limit, bytes: 40 * MIB, used: false });
  await perform([{ op: 'disk_mount', image: join(path, 'disk.img'), target }]);
  assert.ok(fill(join(target, 'f')) > 30 * MIB);
  await perform([{ op: 'volume_unmount', target }]);
});

/** An ext4 that counts projects, mounted; undefined where the kernel has no quotas. */
function quotaHost(): { path: string; end: () => void } | undefined {
  const image = join(directory, 'quota.img');
  const path = join(directory, 'quota');
  mkdirSync(path);
  execFileSync('truncate', ['-s', '200M', image]);
  const options = ['-q', '-F', '-O', 'quota,project', '-E', 'quotatype=prjquota', image];
  execFileSync('mkfs.ext4', options, { stdio: 'ignore' });
  const mounted = spawnSync('mount', ['-o', 'loop,prjquota', image, path]);
  if (mounted.status !== 0) return undefined;
  return { path, end: () => execFileSync('umount', [path]) };
}

test('where the file system counts projects, it limits the directory itself', {
  skip,
}, async (t) => {
  const host = quotaHost();
  if (host === undefined) return t.skip('this kernel has no project quotas of ext4');
  const path = join(host.path, 'volume');
  const target = join(path, '_data');
  mkdirSync(path);
  const limit = await makeLimit(perform, path, target, 20 * MIB);
  assert.equal(limit.kind, 'quota');
  if (limit.kind !== 'quota') return;
  mkdirSync(join(target, 'sub'));
  // Root may write over it where it has CAP_SYS_RESOURCE; a container has not.
  const drop = ['--bounding-set', '-sys_resource', '--inh-caps', '-sys_resource'];
  const dd = ['dd', 'if=/dev/zero', `of=${join(target, 'sub/f')}`, 'bs=64k', 'count=1000'];
  spawnSync('setpriv', [...drop, ...dd], { stdio: 'ignore' });
  const size = statSync(join(target, 'sub/f')).size;
  assert.ok(size > 18 * MIB && size <= 20 * MIB, String(size));
  const { used } = await readQuota(perform, target, limit.project);
  assert.ok(used >= size && used <= 20 * MIB, String(used));
  assert.equal(statfsSync(target).blocks * statfsSync(target).bsize, 20 * MIB);
  await growLimit(perform, path, target, { limit, bytes: 40 * MIB, used: true });
  spawnSync('setpriv', [...drop, ...dd.slice(0, 2), `of=${join(target, 'g')}`, ...dd.slice(3)]);
  assert.ok(statSync(join(target, 'g')).size > 18 * MIB);
  host.end();
});

/** An XFS, which shares extents between files; undefined where there is none. */
function sharingHost(): { path: string; end: () => void } | undefined {
  const image = join(directory, 'xfs.img');
  const path = join(directory, 'xfs');
  mkdirSync(path);
  execFileSync('truncate', ['-s', '320M', image]);
  const made = spawnSync('mkfs.xfs', ['-q', '-f', image]);
  const mounted = made.status === 0 && spawnSync('mount', ['-o', 'loop', image, path]).status === 0;
  if (!mounted) return undefined;
  return { path, end: () => execFileSync('umount', [path]) };
}

test('a copy shares its bytes where the file system can, and says so', { skip }, async (t) => {
  const host = sharingHost();
  if (host === undefined) return t.skip('needs mkfs.xfs and a kernel with XFS');
  const from = join(host.path, 'from');
  mkdirSync(from);
  execFileSync('dd', ['if=/dev/urandom', `of=${join(from, 'f')}`, 'bs=1M', 'count=40'], {
    stdio: 'ignore',
  });
  const free = () => statfsSync(host.path).bavail * statfsSync(host.path).bsize;
  execFileSync('sync', ['-f', host.path]);
  const before = free();
  const to = join(host.path, 'to');
  const told = await perform([{ op: 'copy_tree', from, to }]);
  const numbers = [0, 8].map((at) => Number(told[0]?.output.readBigUInt64LE(at)));
  assert.deepEqual(numbers, [0, 40 * MIB]);
  assert.ok(before - free() < 4 * MIB, String(before - free()));
  assert.ok(readFileSync(join(to, 'f')).equals(readFileSync(join(from, 'f'))));
  host.end();
});
