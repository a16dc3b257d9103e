// Snapshots of containers: what they keep, what they cost, and that a crash leaves none half-made.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PrivateEngine, startEngine } from '../../tools/private-engine.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, type Result, startDaemon } from '../daemon.ts';
import { call } from './engine-call.ts';

const skip = cannotRun();
let daemon: Daemon;

before(async () => {
  if (skip === false) daemon = await startDaemon();
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

const coracle = (...argv: readonly string[]): Promise<Result> =>
  daemon.run([join(ROOT, 'bin/coracle'), ...argv]);

async function ok(...argv: readonly string[]): Promise<Result> {
  const result = await coracle(...argv);
  assert.equal(result.code, 0, result.stderr);
  return result;
}

test('a container goes back to what it had written, with what was gone and hidden', {
  skip,
}, async () => {
  // Once: what is there at the second start is what the rollback has brought back.
  const write = 'rm /bin/wget; rm -rf /home && mkdir /home && echo a > /home/a; ln /home/a /home/b';
  const script = `test -e /home/b || { ${write}; }; sleep 1000`;
  await daemon.ok('run', '-d', '--net', 'none', '--name', 'undo', 'busybox', 'sh', '-c', script);
  await daemon.ok('exec', 'undo', 'sh', '-c', 'until test -e /home/b; do :; done');
  const made = await ok('snapshot', 'create', 'undo', 'first');
  assert.equal(made.stdout, 'first\n');
  assert.match(made.stderr, /^\d+(\.\d+)?k?B copied, \d+k?B shared with the original\n$/);
  assert.equal(await daemon.ok('inspect', '-f', '{{.State.Status}}', 'undo'), 'running');
  await daemon.ok(
    'exec',
    'undo',
    'sh',
    '-c',
    'rm -rf /home/a; echo new > /new; echo x >> /etc/passwd',
  );
  const listed = await ok('snapshot', 'ls', '--format', '{{.Name}}', 'undo');
  assert.equal(listed.stdout, 'first\n');
  const refused = await coracle('rollback', 'undo', 'first');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /container is running: stop the container before rolling it back/);
  await daemon.ok('kill', 'undo');
  assert.equal((await ok('rollback', 'undo')).stdout, 'first\n');
  const diff = (await daemon.ok('diff', 'undo')).split('\n');
  assert.ok(diff.includes('D /bin/wget') && diff.includes('A /home/a') && !diff.includes('A /new'));
  await daemon.ok('start', 'undo');
  const seen =
    'cat /home/a; stat -c %h /home/b; ls /new /bin/wget 2>/dev/null; grep -c x$ /etc/passwd; true';
  assert.equal(await daemon.ok('exec', 'undo', 'sh', '-c', seen), 'a\n2\n0');
  const inspected: unknown = JSON.parse((await ok('snapshot', 'inspect', 'undo', 'first')).stdout);
  assert.deepEqual(Object.keys(inspected as object).toSorted(), [
    'BytesCopied',
    'BytesShared',
    'CreatedAt',
    'Name',
    'Size',
  ]);
  await ok('snapshot', 'rm', 'undo', 'first');
  assert.match((await coracle('rollback', 'undo', 'first')).stderr, /container is running/);
  await daemon.ok('kill', 'undo');
  assert.match((await coracle('rollback', 'undo', 'first')).stderr, /no such snapshot: first/);
  await daemon.ok('rm', 'undo');
});

const noXfs = skip !== false ? skip : existsSync('/usr/sbin/mkfs.xfs') ? false : 'needs mkfs.xfs';

test('on a file system with copy-on-write a snapshot and a rollback copy nothing', {
  skip: noXfs,
}, async () => {
  const directory = makeScratch();
  const data = join(directory, 'data');
  mkdirSync(data);
  execFileSync('truncate', ['-s', '400M', join(directory, 'disk')]);
  execFileSync('/usr/sbin/mkfs.xfs', ['-q', '-m', 'reflink=1', join(directory, 'disk')]);
  execFileSync('mount', ['-o', 'loop', join(directory, 'disk'), data]);
  const engine = await startEngine({ directory });
  try {
    const ask = async (method: string, path: string, json?: unknown): Promise<unknown> =>
      JSON.parse((await call(engine.socket, method, path, json)).body || 'null');
    const Cmd = ['dd', 'if=/dev/urandom', 'of=/big', 'bs=1M', 'count=16'];
    const spec = { Image: 'busybox', Cmd, HostConfig: { NetworkMode: 'none' } };
    const { Id } = (await ask('POST', '/containers/create', spec)) as { Id: string };
    await ask('POST', `/containers/${Id}/start`);
    await ask('POST', `/containers/${Id}/wait`);
    for (const verb of ['snapshots', 'rollback']) {
      const cost = (await ask('POST', `/coracle/containers/${Id}/${verb}`, {})) as Cost;
      assert.deepEqual([cost.BytesCopied, cost.BytesShared], [0, 16 * 1024 * 1024]);
    }
    await ask('DELETE', `/containers/${Id}`);
  } finally {
    await engine[Symbol.asyncDispose]();
    removeScratch(directory);
  }
});

type Cost = { readonly BytesCopied: number; readonly BytesShared: number };

test('names are checked, taken ones refused, and snapshots go with their container', {
  skip,
}, async () => {
  await daemon.ok('create', '--net', 'none', '--name', 'names', 'busybox', 'true');
  await ok('snapshot', 'create', 'names', 'one');
  assert.match(
    (await coracle('snapshot', 'create', 'names', 'one')).stderr,
    /a snapshot named one exists already/,
  );
  assert.match(
    (await coracle('snapshot', 'create', 'names', '../x')).stderr,
    /invalid name of a snapshot/,
  );
  assert.match((await coracle('snapshot', 'create', 'nobody')).stderr, /No such container: nobody/);
  assert.match((await ok('snapshot', 'create', 'names')).stdout, /^\d{8}T\d{6}Z\n$/);
  // What is being removed for good has a name with a dot until it is gone.
  const kept = (): readonly string[] =>
    readdirSync(join(daemon.engine.directory, 'data/snapshots')).filter(
      (name) => !name.startsWith('.'),
    );
  assert.equal(kept().length, 1);
  await daemon.ok('rm', 'names');
  assert.deepEqual(kept(), []);
});

test('kill -9 of the daemon leaves a snapshot whole or none, and nothing frozen', {
  skip,
  timeout: 120_000,
}, async () => {
  const directory = makeScratch();
  let engine: PrivateEngine = await startEngine({ directory });
  const ask = async (method: string, path: string, json?: unknown): Promise<unknown> => {
    const { body } = await call(engine.socket, method, path, json);
    return body.trim() === '' ? undefined : JSON.parse(body);
  };
  try {
    const spec = {
      Image: 'busybox',
      Cmd: [
        'sh',
        '-c',
        'dd if=/dev/urandom of=/big bs=1M count=100 2>/dev/null; mkdir /done; while :; do echo $$ > /alive; done',
      ],
      HostConfig: { NetworkMode: 'none' },
    };
    const { Id } = (await ask('POST', '/containers/create?name=crash', spec)) as { Id: string };
    await ask('POST', `/containers/${Id}/start`);
    while (
      (await call(engine.socket, 'HEAD', `/containers/${Id}/archive?path=/done`)).status !== 200
    )
      await sleep(20);
    for (const delay of [0, 15, 40, 90, 180]) {
      call(engine.socket, 'POST', `/coracle/containers/${Id}/snapshots`, {
        Name: `after${delay}`,
      }).catch(() => {});
      await sleep(delay);
      await engine.kill('SIGKILL');
      engine = await startEngine({ directory });
      const names = (await ask('GET', `/coracle/containers/${Id}/snapshots`)) as { Name: string }[];
      const folder = join(directory, 'data/snapshots', Id);
      for (const { Name } of names) {
        assert.deepEqual(readdirSync(join(folder, Name)).toSorted(), ['content', 'record.json']);
        assert.ok(readdirSync(join(folder, Name, 'content')).includes('big'));
      }
      const state = (await ask('GET', `/containers/${Id}/json`)) as { State: { Status: string } };
      assert.equal(state.State.Status, 'running');
      assert.ok(await isAlive(engine, Id), `frozen after ${delay} ms`);
    }
    await ask('DELETE', `/containers/${Id}?force=1`);
  } finally {
    await engine[Symbol.asyncDispose]();
    removeScratch(directory);
  }
});

/** The container writes a file again and again: another time of it tells that it runs. */
async function isAlive(engine: PrivateEngine, id: string): Promise<boolean> {
  const stat = async () =>
    (await call(engine.socket, 'GET', `/containers/${id}/archive?path=/alive`)).body;
  const before = await stat();
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await stat()) !== before) return true;
    await sleep(20);
  }
  return false;
}
