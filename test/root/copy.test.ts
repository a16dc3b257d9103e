// Files into and out of containers in every state, and what a container can do meanwhile: exchange
// names under our hands, be started, end.
// Alone: its race takes every processor.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { type EncodeItem, encodeTar } from '#tar/encode.ts';
import { decodeTar, type TarEntry } from '#tar/decode.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { until } from './engine-call.ts';

const skip = cannotRun();
let daemon: Daemon;
let scratch: string;

before(async () => {
  if (skip !== false) return;
  scratch = makeScratch('copy-');
  daemon = await startDaemon();
});
after(async () => {
  if (skip !== false) return;
  await daemon[Symbol.asyncDispose]();
  removeScratch(scratch);
});

type Answer = {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
};

async function call(
  method: string,
  path: string,
  body?: AsyncIterable<Uint8Array>,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { 'Content-Type': 'application/x-tar' };
  const socketPath = daemon.engine.socket;
  const asked = request({ socketPath, method, path: `/v1.51${path}`, headers }, (reply) => {
    buffer(reply).then(
      (data) => resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body: data }),
      reject,
    );
  });
  asked.on('error', reject);
  if (body === undefined) asked.end();
  else Readable.from(body).pipe(asked);
  return promise;
}

const at = (container: string, path: string): string =>
  `/containers/${container}/archive?path=${encodeURIComponent(path)}`;

const put = (container: string, path: string, items: readonly EncodeItem[], more = '') =>
  call('PUT', `${at(container, path)}${more}`, encodeTar(items));

type Listed = Omit<TarEntry, 'body'> & { readonly text: string };

async function list(archive: Buffer): Promise<ReadonlyMap<string, Listed>> {
  const entries = new Map<string, Listed>();
  for await (const entry of decodeTar(Readable.from([archive]))) {
    const parts: Buffer[] = [];
    for await (const piece of entry.body)
      if (piece instanceof Uint8Array) parts.push(Buffer.from(piece));
    entries.set(entry.path, { ...entry, text: Buffer.concat(parts).toString('latin1') });
  }
  return entries;
}

async function get(container: string, path: string): Promise<ReadonlyMap<string, Listed>> {
  const { status, body } = await call('GET', at(container, path));
  assert.equal(status, 200, body.toString());
  return list(body);
}

const file = (path: string, text: string, more: Partial<EncodeItem> = {}): EncodeItem => ({
  kind: 'file',
  path,
  mode: 0o644,
  size: Buffer.byteLength(text),
  body: Buffer.from(text),
  ...more,
});

test('files go in and out of containers that are created, run, are paused and have ended', {
  skip,
}, async () => {
  await daemon.ok('create', '--name', 'states', '--net', 'none', 'busybox', 'sleep', '1000');
  const round = async (text: string): Promise<void> => {
    assert.equal((await put('states', '/tmp', [file('f', text)])).status, 200);
    assert.equal((await get('states', '/tmp/f')).get('f')?.text, text);
  };
  await round('created');
  await daemon.ok('start', 'states');
  assert.equal(await daemon.ok('exec', 'states', 'cat', '/tmp/f'), 'created');
  await round('running');
  assert.equal(await daemon.ok('exec', 'states', 'cat', '/tmp/f'), 'running');
  await daemon.ok('pause', 'states');
  await round('paused');
  await daemon.ok('unpause', 'states');
  await daemon.ok('kill', 'states');
  await round('ended');
  await daemon.ok('start', 'states');
  assert.equal(await daemon.ok('exec', 'states', 'cat', '/tmp/f'), 'ended');
  await daemon.ok('rm', '-f', 'states');
});

test('what is mounted is seen, and a stopped container leaves no mount on the host', {
  skip,
}, async () => {
  const host = join(scratch, 'host');
  mkdirSync(host);
  writeFileSync(join(host, 'f'), 'of the host');
  const mounts = ['-v', `${host}:/h`, '-v', `${host}:/r:ro`, '-v', 'copyvol:/v', '--tmpfs', '/t'];
  const argv = ['--name', 'mounts', '--net', 'none', '--read-only', ...mounts, 'busybox'];
  await daemon.ok('run', '-d', ...argv, 'sleep', '1000');
  const check = async (): Promise<void> => {
    assert.equal((await get('mounts', '/h/f')).get('f')?.text, 'of the host');
    assert.equal((await put('mounts', '/v', [file('in-volume', 'v')])).status, 200);
    assert.ok((await get('mounts', '/v')).has('v/in-volume'));
    const refused = async (path: string, text: RegExp): Promise<void> => {
      const answer = await put('mounts', path, [file('x', 'x')]);
      assert.equal(answer.status, 403);
      assert.match(answer.body.toString(), text);
    };
    await refused('/tmp', /container rootfs is marked read-only/);
    await refused('/r', /mounted volume is marked read-only/);
  };
  await check();
  assert.equal((await put('mounts', '/t', [file('in-tmpfs', 't')])).status, 200);
  assert.equal(await daemon.ok('exec', 'mounts', 'cat', '/t/in-tmpfs'), 't');
  await daemon.ok('kill', 'mounts');
  await check();
  const mountinfo = readFileSync(`/proc/${daemon.engine.pid}/mountinfo`, 'utf8');
  assert.ok(!mountinfo.includes('overlay ') || !mountinfo.includes(daemon.engine.directory));
  await daemon.ok('rm', '-f', '-v', 'mounts');
});

test('the whole root comes without the views of the kernel', { skip }, async () => {
  await daemon.ok('run', '-d', '--name', 'whole', '--net', 'none', 'busybox', 'sleep', '1000');
  const entries = await get('whole', '/');
  assert.ok(entries.has('/bin/busybox') && entries.has('/proc/') && entries.has('/dev/'));
  const views = [...entries.keys()].filter((path) => /^\/(proc|sys|dev)\/./.test(path));
  assert.deepEqual(views, []);
  await daemon.ok('rm', '-f', 'whole');
});

test('owners of a container with a user namespace are those that it sees', { skip }, async () => {
  const made = await daemon.api('POST', '/containers/create?name=mapped', {
    Image: 'busybox',
    Cmd: ['sleep', '1000'],
    HostConfig: { UsernsMode: 'map:200000:65536', NetworkMode: 'none' },
  });
  assert.equal(made.status, 201);
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
  const xattrs = new Map([['security.capability', capability]]);
  const items = [file('f', 'x', { uid: 5, gid: 6, xattrs }), file('root', 'y')];
  const check = async (): Promise<void> => {
    const done = await put('mapped', '/tmp', items);
    assert.equal(done.status, 200, done.body.toString());
    const entries = await get('mapped', '/tmp/f');
    const { uid, gid, xattrs: kept } = entries.get('f') ?? assert.fail();
    assert.deepEqual([uid, gid, kept.get('security.capability')], [5, 6, capability]);
    const outside = await put('mapped', '/tmp', [file('f', 'x', { uid: 70_000 })]);
    assert.match(outside.body.toString(), /Container ID 70000 cannot be mapped to a host ID/);
  };
  await check();
  await daemon.ok('start', 'mapped');
  const stat = (path: string) => daemon.ok('exec', 'mapped', 'stat', '-c', '%u %g', path);
  assert.deepEqual([await stat('/tmp/f'), await stat('/tmp/root')], ['5 6', '0 0']);
  await check();
  assert.equal(await stat('/tmp/root'), '0 0');
  await daemon.ok('rm', '-f', 'mapped');
});

test('links, devices, special bits and attributes survive the way in and out', {
  skip,
}, async () => {
  await daemon.ok('run', '-d', '--name', 'kinds', '--net', 'none', 'busybox', 'sleep', '1000');
  const mtime = 981_173_106n * 1_000_000_000n;
  const items: readonly EncodeItem[] = [
    { kind: 'dir', path: 'k', mode: 0o1777, uid: 3, gid: 4, mtime },
    file('k/f', 'content', { mode: 0o6755, uid: 1000, gid: 2000, mtime }),
    { kind: 'link', path: 'k/hard', linkPath: 'k/f', mode: 0o644 },
    { kind: 'symlink', path: 'k/soft', linkPath: '../../etc/passwd', mode: 0o777, mtime },
    { kind: 'char', path: 'k/null', mode: 0o666, major: 1, minor: 3, mtime },
    { kind: 'fifo', path: 'k/pipe', mode: 0o600, mtime },
    file('k/noted', 'n', { xattrs: new Map([['user.note', Buffer.from('v')]]) }),
    file(`k/${'n'.repeat(200)}`, 'long'),
    file('k/\xff\xfe', 'bytes'),
  ];
  assert.equal((await put('kinds', '/tmp', items)).status, 200);
  const entries = await get('kinds', '/tmp/k');
  const shown = (path: string): unknown => {
    const { kind, mode, uid, gid, mtime: time, linkPath } = entries.get(path) ?? assert.fail(path);
    return [kind, mode.toString(8), uid, gid, time, linkPath];
  };
  assert.deepEqual(shown('k/'), ['dir', '1777', 3, 4, mtime, '']);
  assert.deepEqual(shown('k/f'), ['file', '6755', 1000, 2000, mtime, '']);
  assert.deepEqual(shown('k/hard'), ['link', '6755', 1000, 2000, mtime, 'k/f']);
  assert.deepEqual(shown('k/soft'), ['symlink', '777', 0, 0, mtime, '../../etc/passwd']);
  assert.deepEqual(shown('k/null'), ['char', '666', 0, 0, mtime, '']);
  assert.deepEqual(shown('k/pipe'), ['fifo', '600', 0, 0, mtime, '']);
  assert.equal(entries.get('k/noted')?.xattrs.get('user.note')?.toString(), 'v');
  assert.equal(entries.get(`k/${'n'.repeat(200)}`)?.text, 'long');
  assert.equal(entries.get('k/\xff\xfe')?.text, 'bytes');
  await daemon.ok('rm', '-f', 'kinds');
});

test('an archive that climbs, or would replace a directory, is refused and changes nothing', {
  skip,
}, async () => {
  await daemon.ok('create', '--name', 'climb', '--net', 'none', 'busybox', 'true');
  const refused = async (items: readonly EncodeItem[], text: RegExp, more = ''): Promise<void> => {
    const { status, body } = await put('climb', '/tmp', items, more);
    assert.equal(status, 400);
    assert.match(body.toString(), text);
  };
  await refused([file('../x', '')], /\\"\.\.\/x\\" is outside of \\"\/tmp\\"/);
  const link: EncodeItem = { kind: 'link', path: 'h', linkPath: '../etc/passwd', mode: 0o644 };
  await refused([link], /invalid hardlink/);
  await put('climb', '/tmp', [{ kind: 'dir', path: 'd', mode: 0o755 }, file('f', '')]);
  const strict = '&noOverwriteDirNonDir=true';
  await refused(
    [file('d', '')],
    /cannot overwrite directory .*\/tmp\/d.* with non-directory/,
    strict,
  );
  await refused(
    [{ kind: 'dir', path: 'f', mode: 0o755 }],
    /cannot overwrite non-directory/,
    strict,
  );
  assert.deepEqual([...(await get('climb', '/tmp')).keys()], ['tmp/', 'tmp/d/', 'tmp/f']);
  await daemon.ok('rm', 'climb');
});

/** Of the time of the whole copy, which a slow machine takes longer for, too; usual: 0.02. */
const PING_SHARE_MAX = 0.25;

test('a quarter of a gigabyte passes through with flat memory, and pings are answered meanwhile', {
  skip,
}, async () => {
  await daemon.ok('run', '-d', '--name', 'big', '--net', 'none', 'busybox', 'sleep', '1000');
  await daemon.ok('exec', 'big', 'dd', 'if=/dev/zero', 'of=/tmp/big', 'bs=1M', 'count=256');
  const rss = (): number => {
    const status = readFileSync(`/proc/${daemon.engine.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  };
  const before = rss();
  let peak = before;
  const begun = performance.now();
  let slowest = 0;
  let done = false;
  const watch = (async () => {
    while (!done) {
      const startedAt = performance.now();
      await call('GET', '/_ping');
      slowest = Math.max(slowest, performance.now() - startedAt);
      peak = Math.max(peak, rss());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const socketPath = daemon.engine.socket;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const out = request({ socketPath, method: 'PUT', path: `/v1.51${at('big', '/')}` }, (reply) => {
    reply.resume();
    reply.on('end', () => resolve(reply.statusCode ?? 0));
  });
  out.setHeader('Content-Type', 'application/x-tar');
  out.on('error', reject);
  const asked = request({ socketPath, path: `/v1.51${at('big', '/tmp/big')}` }, (reply) =>
    reply.pipe(out),
  );
  asked.on('error', reject);
  asked.end();
  assert.equal(await promise, 200);
  const whole = performance.now() - begun;
  done = true;
  await watch;
  assert.equal(
    await daemon.ok('exec', 'big', 'stat', '-c', '%s', '/big'),
    String(256 * 1024 * 1024),
  );
  assert.ok(peak - before < 96, `${before} MiB became ${peak}`);
  assert.ok(slowest < whole * PING_SHARE_MAX, `a ping took ${slowest} of ${whole} ms`);
  await daemon.ok('rm', '-f', 'big');
});

test('a start after a crash, a removal and an end of the client end a copy', { skip }, async () => {
  await daemon.ok('run', '-d', '--name', 'cut', '--net', 'none', 'busybox', 'sleep', '1000');
  await daemon.ok('exec', 'cut', 'dd', 'if=/dev/zero', 'of=/big', 'bs=1M', 'count=64');
  const socketPath = daemon.engine.socket;
  const begin = async () => {
    const { promise, resolve, reject } =
      Promise.withResolvers<import('node:http').IncomingMessage>();
    request({ socketPath, path: `/v1.51${at('cut', '/big')}` }, resolve)
      .on('error', reject)
      .end();
    const reply = await promise;
    reply.pause();
    const ended = new Promise<string>((resolve) => {
      reply.on('error', () => resolve('cut'));
      reply.on('end', () => resolve('whole'));
    });
    return { reply, ended };
  };
  const first = await begin();
  await daemon.ok('restart', '-t', '0', 'cut');
  first.reply.resume();
  assert.equal(await first.ended, 'cut');
  const second = await begin();
  await daemon.ok('rm', '-f', 'cut');
  second.reply.resume();
  assert.equal(await second.ended, 'cut');
  const left = (): readonly string[] =>
    readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isTree(pid));
  await until(
    () => `they go on: ${left().join(' ')}`,
    () => left().length === 0,
  );
});

/** A tree process of this daemon: each belongs to a copy that goes on. */
function isTree(pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.includes('(coracle-tree) S') && stat.includes(`) S ${daemon.engine.pid} `);
  } catch {
    return false;
  }
}

const TRIES = 2000;
const PARALLEL = 8;

test(`${TRIES} copies in and out while the container exchanges a directory and a link touch nothing outside`, {
  skip,
}, async () => {
  const victim = join(scratch, 'victim');
  mkdirSync(victim);
  writeFileSync(join(victim, 'secret'), 'SECRET OF THE HOST');
  const exchange = join(scratch, 'exchange');
  execFileSync('cc', [
    '-O2',
    '-static',
    '-o',
    exchange,
    join(import.meta.dirname, '../fixture/exchange.c'),
  ]);
  await daemon.ok(
    'run',
    '-d',
    '--name',
    'race',
    '--net',
    'none',
    '-v',
    `${exchange}:/x:ro`,
    'busybox',
    'sleep',
    '1000',
  );
  const setup = `mkdir -p /r/a/in /r/real && echo mine > /r/a/secret && ln -s ${victim} /r/b && ln -s /proc/1/root${victim} /r/c`;
  await daemon.ok('exec', 'race', 'sh', '-c', `${setup} && mkdir /r/d && echo mine > /r/d/secret`);
  await daemon.ok('exec', '-d', 'race', '/x', '/r/a', '/r/b');
  await daemon.ok('exec', '-d', 'race', '/x', '/r/c', '/r/d');
  const beforeAll = statSync(victim).mtimeMs;
  const statuses = new Map<string, number>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < TRIES; i = next++) {
      const directory = ['/r/a', '/r/b', '/r/c', '/r/d'][i % 4] ?? '';
      const kind = ['in', 'out', 'whole', 'link'][Math.floor(i / 4) % 4] ?? '';
      const answer = await attempt(kind, directory, i);
      assert.ok(!answer.body.includes('SECRET OF THE HOST'), `try ${i} read the host's file`);
      const key = `${kind} ${answer.status}`;
      statuses.set(key, (statuses.get(key) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  assert.deepEqual(readdirSync(victim), ['secret']);
  assert.equal(readFileSync(join(victim, 'secret'), 'utf8'), 'SECRET OF THE HOST');
  assert.equal(statSync(victim).mtimeMs, beforeAll);
  // The race was one: copies both found the directory and did not.
  assert.ok(
    (statuses.get('in 200') ?? 0) > 20 && (statuses.get('out 200') ?? 0) > 20,
    [...statuses].join(' '),
  );
  await daemon.ok('rm', '-f', 'race');
});

function attempt(kind: string, directory: string, i: number): Promise<Answer> {
  switch (kind) {
    case 'in':
      return put('race', directory, [
        file(`n${i % 50}`, 'mine'),
        file('in/secret', 'mine'),
        file('secret', 'mine'),
      ]);
    case 'out':
      return call('GET', at('race', `${directory}/secret`));
    case 'whole':
      return call('GET', at('race', '/r'));
    default:
      return put('race', '/r', [file(`${directory.slice(3)}/secret`, 'mine')]);
  }
}
