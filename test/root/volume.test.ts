// What lies on disk and what the kernel holds of volumes: copy-up, sizes, copies, and a daemon that
// is killed in the middle of each. Needs root and `make build`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { call, post, readText } from './volume-call.ts';

const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : 'needs root';
const canDisk = existsSync('/dev/loop-control') && spawnSync('mkfs.ext4', ['-V']).status === 0;
const skipDisk = isRoot && canDisk ? false : 'needs root, loop devices and mkfs.ext4';
const directory = isRoot ? makeEngineDirectory() : '';
const volumes = join(directory, 'data/volumes');
let engine: PrivateEngine;

const start = async (): Promise<void> => {
  engine = await startEngine({ directory, flags: ['--bridge', 'none'] });
};

/** The daemon goes as in a power cut; the next one is asked. */
async function crash(): Promise<void> {
  await engine.kill('SIGKILL');
  await start();
}

before(async () => {
  if (!isRoot) return;
  await start();
  importImage();
});
after(async () => {
  if (!isRoot) return;
  await removeContainers();
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

/** An image with all that a copy may lose; its content is made by tar(1), as root. */
function importImage(): void {
  const tree = join(directory, 'tree');
  const made = spawnSync('sh', ['-euc', TREE, 'sh', tree], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const load = `tar -C ${tree} --xattrs --xattrs-include='*' -cS . | docker import - content`;
  const loaded = spawnSync('sh', ['-c', load], { env: engine.env, encoding: 'utf8' });
  assert.equal(loaded.status, 0, loaded.stderr);
}

const TREE = `
mkdir -p "$1/data/sub" "$1/links" "$1/bin"
cd "$1/data"
echo one > a; ln a hard; ln -s a link; ln -s /nowhere hanging
chown 123:456 a; chmod 4755 a
mknod null c 1 3; mkfifo fifo; chown -h 7:8 link
touch -d 2001-02-03T04:05:06Z sub/old
truncate -s 64M sparse; echo end >> sparse
chown 9:10 .; chmod 1770 .
ln -s /data ../links/abs
ln -s ../../../../../../data ../links/up
`;

async function volumeOf(mount: string, more: object = {}): Promise<string> {
  return create({ Image: 'content', Cmd: ['x'], HostConfig: { Binds: [mount] }, ...more });
}

async function create(body: object): Promise<string> {
  const { Id } = await post<{ Id: string }>(engine, '/containers/create', body);
  return Id;
}

async function run(cmd: string, host: object): Promise<{ code: number; text: string }> {
  const id = await create({ Image: 'busybox', Cmd: ['sh', '-c', cmd], HostConfig: host });
  await post(engine, `/containers/${id}/start`);
  const { StatusCode } = await post<{ StatusCode: number }>(engine, `/containers/${id}/wait`);
  const text = await readText(engine, `/containers/${id}/logs?stdout=1`);
  await call(engine, 'DELETE', `/containers/${id}?v=1`);
  return { code: StatusCode, text };
}

async function removeContainers(): Promise<void> {
  const list = (await call(engine, 'GET', '/containers/json?all=1')) as { Id: string }[];
  for (const { Id } of list) await call(engine, 'DELETE', `/containers/${Id}?force=1&v=1`);
}

function mounted(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${directory}/data/`));
}

/** Loop devices with a file of this engine. */
function loops(): string[] {
  return readdirSync('/sys/block').filter((name) => {
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').startsWith(directory);
    } catch {
      return false; // another block device, or one that is let go just now
    }
  });
}

/** The kernel lets go behind whoever unmounted last. */
async function noLoops(): Promise<void> {
  for (let tries = 0; loops().length > 0 && tries < 500; tries += 1) await sleep(20);
  assert.deepEqual(loops(), []);
  assert.deepEqual(mounted(), []);
}

function checkCopy(data: string): void {
  const stat = (name: string) => lstatSync(join(data, name));
  assert.deepEqual([statSync(data).uid, statSync(data).gid, statSync(data).mode], [9, 10, 0o41770]);
  const a = stat('a');
  assert.deepEqual([a.uid, a.gid, a.mode & 0o7777, a.nlink], [123, 456, 0o4755, 2]);
  assert.equal(a.ino, stat('hard').ino);
  assert.deepEqual([stat('link').uid, readlinkSync(join(data, 'link'))], [7, 'a']);
  assert.equal(readlinkSync(join(data, 'hanging')), '/nowhere');
  assert.ok(stat('null').isCharacterDevice() && stat('fifo').isFIFO());
  assert.equal(stat('null').rdev, (1 << 8) | 3);
  assert.equal(stat('sub/old').mtime.toISOString(), '2001-02-03T04:05:06.000Z');
  assert.ok(stat('sparse').size > 64 << 20 && stat('sparse').blocks < 100);
}

test('an empty volume starts with what the image has there: owners, modes, links, nodes, holes', {
  skip,
}, async () => {
  await volumeOf('plain:/data');
  checkCopy(join(volumes, 'plain/_data'));
  await volumeOf('abs:/links/abs');
  checkCopy(join(volumes, 'abs/_data'));
  await volumeOf('up:/links/up:ro');
  checkCopy(join(volumes, 'up/_data'));
  await volumeOf('none:/data:nocopy');
  assert.deepEqual(readdirSync(join(volumes, 'none/_data')), []);
  // It has something now, so another image adds nothing.
  writeFileSync(join(volumes, 'none/_data/x'), '');
  await volumeOf('none:/data');
  assert.deepEqual(readdirSync(join(volumes, 'none/_data')), ['x']);
  const file = await engineAnswer('/containers/create', {
    Image: 'content',
    Cmd: ['x'],
    HostConfig: { Binds: ['file:/data/a'] },
  });
  assert.deepEqual(
    [file.status, file.message],
    [500, 'source /data/a of the image is not directory'],
  );
});

async function engineAnswer(path: string, body: object) {
  return post<{ status: number; message: string }>(engine, path, body, { fails: true });
}

test('two containers that come at once fill a volume once', { skip }, async () => {
  await Promise.all(Array.from({ length: 8 }, () => volumeOf('once:/data')));
  checkCopy(join(volumes, 'once/_data'));
});

test('a copy that was cut short leaves the volume empty, and the next container fills it', {
  skip,
}, async () => {
  const mark = join(volumes, 'cut/filling');
  let cuts = 0;
  // On a busy machine it may be done each time before we come to cut it.
  for (let round = 0; round < 8 || (cuts === 0 && round < 40); round += 1) {
    const making = volumeOf('cut:/data').then(
      () => 'made',
      () => 'cut',
    );
    // From the first moment of the copy to its end.
    for (let at = 0; !existsSync(mark) && at < 2000; at += 1) await sleep(0);
    await sleep(round % 8);
    await crash();
    await making;
    const data = join(volumes, 'cut/_data');
    if (!existsSync(data)) continue;
    const left = readdirSync(data);
    if (left.length === 0) cuts += 1;
    else checkCopy(data);
    assert.equal(existsSync(mark), false);
    await removeContainers();
    await call(engine, 'DELETE', '/volumes/cut');
  }
  await volumeOf('cut:/data');
  checkCopy(join(volumes, 'cut/_data'));
  assert.ok(cuts > 0, 'no copy was cut');
});

test('a mounted volume outlives the daemon with its containers, and goes with the last of them', {
  skip,
}, async () => {
  const DriverOpts = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' };
  await post(engine, '/volumes/create', { Name: 'mem', DriverOpts });
  const body = { Image: 'busybox', Cmd: ['sh', '-c', 'echo hi > /d/f; sleep 1000'] };
  const id = await create({ ...body, HostConfig: { Binds: ['mem:/d'] } });
  await post(engine, `/containers/${id}/start`);
  await crash();
  assert.equal((await run('cat /e/f', { Binds: ['mem:/e'] })).text, 'hi\n');
  assert.equal(mounted().length, 1);
  // It ends while no daemon is there.
  const { State } = (await call(engine, 'GET', `/containers/${id}/json`)) as {
    State: { Pid: number };
  };
  await engine.kill('SIGKILL');
  process.kill(State.Pid, 'SIGKILL');
  await start();
  assert.deepEqual(mounted(), []);
  assert.equal((await run('ls /e', { Binds: ['mem:/e'] })).text, '');
});

const FULL = 'dd if=/dev/zero of=/d/f bs=1M count=100 2>&1 | grep -o "No space.*"; stat -c %s /d/f';

test('a volume with a size ends at it, also after a crash, and leaves no loop device', {
  skip: skipDisk,
}, async () => {
  await post(engine, '/volumes/create', { Name: 'sized', DriverOpts: { size: '20m' } });
  const host = { Binds: ['sized:/d'] };
  const { text } = await run(FULL, host);
  const [said, size] = text.split('\n');
  assert.equal(said, 'No space left on device');
  assert.ok(Number(size) > 10 << 20 && Number(size) < 20 << 20, text);
  const shown = (await call(engine, 'GET', '/volumes/sized')) as {
    Options: object;
    Status: object;
  };
  assert.deepEqual(shown.Options, { size: '20m' });
  assert.deepEqual(shown.Status, { SizeBytes: 20 << 20, LimitedBy: 'disk' });
  await noLoops();
  const body = { Image: 'busybox', Cmd: ['sleep', '1000'] };
  const id = await create({ ...body, HostConfig: host });
  await post(engine, `/containers/${id}/start`);
  await crash();
  // One device for both, or they would not see each other's writes.
  await run('rm /d/f; echo other > /d/g', host);
  assert.equal(loops().length, 1);
  assert.equal(readFileSync(join(volumes, 'sized/_data/g'), 'utf8'), 'other\n');
  await call(engine, 'DELETE', `/containers/${id}?force=1`);
  await noLoops();
  const less = await engineAnswer('/coracle/volumes/sized/resize', { Size: '10m' });
  assert.match(less.message, /^cannot shrink volume sized from 20971520 to 10485760 bytes/);
  await post(engine, '/coracle/volumes/sized/resize', { Size: '40m' });
  const more = await run(FULL, host);
  assert.ok(Number(more.text.split('\n')[1]) > 30 << 20, more.text);
  await noLoops();
});

test('a root with a size ends at it, grows, and survives crashes', { skip: skipDisk }, async () => {
  const full = FULL.replaceAll('/d/f', '/f');
  const { text } = await run(full, { StorageOpt: { size: '20m' } });
  assert.equal(text.split('\n')[0], 'No space left on device');
  await noLoops();
  const body = { Image: 'busybox', Cmd: ['sh', '-c', 'echo hi > /x; sleep 1000'] };
  const id = await create({ ...body, HostConfig: { StorageOpt: { size: '20m' } } });
  await post(engine, `/containers/${id}/start`);
  // The overlay is the container's own: the host has nothing of it mounted.
  assert.deepEqual([loops().length, mounted()], [1, []]);
  await crash();
  await post(engine, `/containers/${id}/stop?t=0`);
  await noLoops();
  await post(engine, `/containers/${id}/update`, { StorageOpt: { size: '40m' } });
  await crash();
  const inspect = (await call(engine, 'GET', `/containers/${id}/json`)) as {
    HostConfig: { StorageOpt: object };
  };
  assert.deepEqual(inspect.HostConfig.StorageOpt, { size: '40m' });
  const list = (await call(engine, 'GET', '/containers/json?all=1&size=1')) as {
    Id: string;
    SizeRw: number;
  }[];
  assert.ok((list.find(({ Id }) => Id === id)?.SizeRw ?? 0) > 0);
  const changes = await call(engine, 'GET', `/containers/${id}/changes`);
  assert.deepEqual(changes, [{ Path: '/x', Kind: 1 }]);
  await call(engine, 'DELETE', `/containers/${id}?force=1`);
  await noLoops();
});

type Copy = { readonly Name: string; readonly BytesCopied: number; readonly BytesShared: number };

test('a volume is cloned, kept, rolled back and renamed, and the answer says what it cost', {
  skip,
}, async () => {
  await post(engine, '/volumes/create', { Name: 'orig', Labels: { a: 'b' } });
  await volumeOf('orig:/data');
  const clone = await post<Copy>(engine, '/coracle/volumes/orig/clone', { Name: 'twin' });
  checkCopy(join(volumes, 'twin/_data'));
  // 4 KiB of the sparse file and a few bytes, by whichever way this file system has.
  const bytes = clone.BytesCopied + clone.BytesShared;
  assert.ok(bytes > 0 && clone.BytesCopied < 1 << 20, JSON.stringify(clone));
  const twin = (await call(engine, 'GET', '/volumes/twin')) as { Labels: object };
  assert.deepEqual(twin.Labels, { a: 'b' });
  const one = await post<Copy>(engine, '/coracle/volumes/orig/snapshots', { Name: 'one' });
  assert.equal(one.Name, 'one');
  writeFileSync(join(volumes, 'orig/_data/a'), 'changed\n');
  await post(engine, '/coracle/volumes/orig/rollback', {});
  checkCopy(join(volumes, 'orig/_data'));
  assert.equal(readFileSync(join(volumes, 'orig/_data/a'), 'utf8'), 'one\n');
  const used = await engineAnswer('/coracle/volumes/orig/rename', { Name: 'other' });
  assert.match(used.message, /^rename orig: volume is in use - \[/);
  const taken = await engineAnswer('/coracle/volumes/orig/clone', { Name: 'twin' });
  assert.deepEqual([taken.status, taken.message], [409, 'a volume named twin exists already']);
  await post(engine, '/coracle/volumes/twin/rename', { Name: 'moved' });
  await crash();
  checkCopy(join(volumes, 'moved/_data'));
  const names = (await call(engine, 'GET', '/coracle/volumes/orig/snapshots')) as {
    Name: string;
  }[];
  assert.deepEqual(
    names.map(({ Name }) => Name),
    ['one'],
  );
});

test('a copy of a volume that a container writes to is of one moment', { skip }, async () => {
  // Two files that are written one after the other never differ by more than one line.
  const write = 'i=0; while true; do i=$((i+1)); echo $i >> /d/a; echo $i >> /d/b; done';
  const host = { Binds: ['busy:/d'] };
  const id = await create({ Image: 'busybox', Cmd: ['sh', '-c', write], HostConfig: host });
  await post(engine, `/containers/${id}/start`);
  while (!existsSync(join(volumes, 'busy/_data/b'))) await sleep(5);
  for (const name of ['s1', 's2', 's3']) {
    await post(engine, '/coracle/volumes/busy/snapshots', { Name: name });
    const lines = (file: string): number =>
      readFileSync(join(volumes, 'busy/snapshots', name, '_data', file), 'utf8').split('\n').length;
    assert.ok([0, 1].includes(lines('a') - lines('b')), `${lines('a')} ${lines('b')}`);
  }
  const size = statSync(join(volumes, 'busy/_data/a')).size;
  while (statSync(join(volumes, 'busy/_data/a')).size === size) await sleep(5); // it goes on
  // Killed while it is frozen, it goes on under the next daemon.
  writeFileSync(join(volumes, 'busy/_data/big'), Buffer.alloc(60 << 20, 'x'));
  const doing = post(engine, '/coracle/volumes/busy/snapshots').catch(() => {});
  await sleep(15);
  await crash();
  await doing;
  const later = statSync(join(volumes, 'busy/_data/a')).size;
  while (statSync(join(volumes, 'busy/_data/a')).size === later) await sleep(5);
  const { message } = await engineAnswer('/coracle/volumes/busy/rollback', {});
  assert.match(message, /^rollback busy: volume is in use - \[/);
  await call(engine, 'DELETE', `/containers/${id}?force=1`);
});

test('a volume with a size is copied with its file system while it is used', {
  skip: skipDisk,
}, async () => {
  await post(engine, '/volumes/create', { Name: 'disk', DriverOpts: { size: '20m' } });
  const host = { Binds: ['disk:/d'] };
  const write = 'echo one > /d/f; sleep 1000';
  const id = await create({ Image: 'busybox', Cmd: ['sh', '-c', write], HostConfig: host });
  await post(engine, `/containers/${id}/start`);
  while (!existsSync(join(volumes, 'disk/_data/f'))) await sleep(5);
  await post(engine, '/coracle/volumes/disk/snapshots', { Name: 's' });
  await post(engine, '/coracle/volumes/disk/clone', { Name: 'copy' });
  // Killed while the file system is held: it must let go under the next daemon.
  await run('dd if=/dev/zero of=/d/big bs=1M count=15', host);
  for (const ms of [4, 8, 12]) {
    const doing = post(engine, '/coracle/volumes/disk/snapshots').catch(() => {});
    await sleep(ms);
    await crash();
    await doing;
    assert.equal((await run('echo on > /d/on; rm /d/on; echo written', host)).text, 'written\n');
  }
  await call(engine, 'DELETE', `/containers/${id}?force=1`);
  await run('echo two > /d/f', host);
  assert.equal((await run('cat /d/f', { Binds: ['copy:/d'] })).text, 'one\n');
  await post(engine, '/coracle/volumes/disk/resize', { Size: '40m' });
  await post(engine, '/coracle/volumes/disk/rollback', { Snapshot: 's' });
  const after = await run('cat /d/f; df -m /d | awk "NR==2{print (\\$2 > 30)}"', host);
  assert.equal(after.text, 'one\n1\n');
  await noLoops();
});

test('a clone, snapshot or rollback that is killed in the middle leaves none or all of it', {
  skip,
}, async () => {
  await post(engine, '/volumes/create', { Name: 'big' });
  const data = join(volumes, 'big/_data');
  mkdirSync(join(data, 'x'));
  const chunk = Buffer.alloc(1 << 20, 'x');
  for (const name of ['a', 'b', 'x/c']) {
    const fd = openSync(join(data, name), 'w');
    for (let i = 0; i < 20; i += 1) writeSync(fd, chunk);
    closeSync(fd);
  }
  const whole = (path: string): void => {
    for (const name of ['a', 'b', 'x/c']) assert.equal(statSync(join(path, name)).size, 20 << 20);
  };
  await post(engine, '/coracle/volumes/big/snapshots', { Name: 'first' });
  const verbs = [
    ['clone', { Name: 'big2' }],
    ['snapshots', { Name: 'second' }],
    ['rollback', { Snapshot: 'first' }],
  ] as const;
  for (let round = 0; round < 9; round += 1) {
    const [verb, body] = verbs[round % 3] ?? verbs[0];
    const doing = post(engine, `/coracle/volumes/big/${verb}`, body).catch(() => 'cut');
    await sleep(2 + round * 4);
    await crash();
    await doing;
    whole(data);
    const list = (await call(engine, 'GET', '/volumes')) as { Volumes: { Name: string }[] };
    if (list.Volumes.some(({ Name }) => Name === 'big2')) {
      whole(join(volumes, 'big2/_data'));
      await call(engine, 'DELETE', '/volumes/big2');
    }
    const path = '/coracle/volumes/big/snapshots';
    for (const { Name } of (await call(engine, 'GET', path)) as { Name: string }[]) {
      whole(join(volumes, 'big/snapshots', Name, '_data'));
      if (Name === 'second') await call(engine, 'DELETE', `${path}/second`);
    }
    const hidden = (at: string) => readdirSync(at).filter((each) => each.startsWith('.stage-'));
    assert.deepEqual([...hidden(volumes), ...hidden(join(volumes, 'big/snapshots'))], []);
  }
});

test('the sizes of volumes are counted, links once, and told with who has them', {
  skip,
}, async () => {
  await post(engine, '/volumes/create', { Name: 'count' });
  const id = await create({ Image: 'busybox', HostConfig: { Binds: ['count:/d'] } });
  const data = join(volumes, 'count/_data');
  spawnSync('sh', ['-c', 'head -c 5000 /dev/zero > f; ln f g; ln -s f l'], { cwd: data });
  const usage = (await call(engine, 'GET', '/system/df?type=volume')) as {
    Volumes: { Name: string; UsageData: { RefCount: number; Size: number } }[];
  };
  const found = usage.Volumes.find(({ Name }) => Name === 'count');
  assert.deepEqual(found?.UsageData, { RefCount: 1, Size: 5001 });
  await call(engine, 'DELETE', `/containers/${id}`);
});
