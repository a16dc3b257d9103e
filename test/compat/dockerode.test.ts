// dockerode, which most Node programs use (testcontainers too): it sends no API version, streams by
// hijack or by a plain 200, and reads inspect's fields.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

// The package has no types of its own; this is what the tests use of it.
type Info = Readonly<Record<string, unknown>>;
interface Exec {
  start(options: object): Promise<Duplex>;
  inspect(): Promise<{ readonly ExitCode: number | null; readonly Running: boolean }>;
}
interface Container {
  readonly id: string;
  start(): Promise<void>;
  restart(options?: object): Promise<void>;
  kill(options?: object): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  rename(options: object): Promise<void>;
  update(options: object): Promise<Info>;
  top(options?: object): Promise<{ readonly Processes: readonly (readonly string[])[] }>;
  changes(): Promise<readonly { readonly Path: string; readonly Kind: number }[]>;
  commit(options: object): Promise<{ readonly Id: string }>;
  export(): Promise<Readable>;
  putArchive(file: Buffer, options: object): Promise<unknown>;
  getArchive(options: object): Promise<Readable>;
  stats(options: object): Promise<Info & Readable>;
  resize(options: object): Promise<void>;
  stop(options?: object): Promise<void>;
  remove(options?: object): Promise<void>;
  wait(options?: object): Promise<{ readonly StatusCode: number }>;
  inspect(): Promise<Info & { readonly State: Info; readonly Config: Info; readonly Name: string }>;
  attach(options: object): Promise<Duplex>;
  logs(options: object): Promise<Buffer | Readable>;
  exec(options: object): Promise<Exec>;
}
interface Image {
  inspect(): Promise<Info & { readonly RepoTags: readonly string[] }>;
  history(): Promise<readonly Info[]>;
  tag(options: object): Promise<unknown>;
  get(): Promise<Readable>;
  remove(options?: object): Promise<readonly Info[]>;
}
interface Network {
  readonly id: string;
  inspect(): Promise<Info & { readonly Containers: Info }>;
  connect(options: object): Promise<unknown>;
  disconnect(options: object): Promise<unknown>;
  remove(): Promise<unknown>;
}
interface Volume {
  readonly name: string;
  inspect(): Promise<Info>;
  remove(): Promise<unknown>;
}
interface Client {
  ping(): Promise<Buffer>;
  info(): Promise<Info>;
  df(): Promise<Info>;
  createNetwork(options: object): Promise<Network>;
  listNetworks(options?: object): Promise<readonly Info[]>;
  pruneNetworks(options?: object): Promise<Info>;
  createVolume(options: object): Promise<Volume>;
  getVolume(name: string): Volume;
  listVolumes(options?: object): Promise<{ readonly Volumes: readonly Info[] | null }>;
  pruneVolumes(options?: object): Promise<Info>;
  pruneContainers(options?: object): Promise<Info>;
  pruneImages(options?: object): Promise<Info>;
  version(): Promise<Info>;
  createContainer(options: object): Promise<Container>;
  getContainer(id: string): Container;
  getImage(name: string): Image;
  listContainers(options?: object): Promise<readonly Info[]>;
  listImages(): Promise<readonly Info[]>;
  run(image: string, cmd: readonly string[], out: NodeJS.WritableStream): Promise<readonly [Info]>;
  getEvents(options?: object): Promise<Readable>;
  loadImage(file: string | Readable): Promise<Readable>;
  readonly modem: {
    followProgress(
      stream: Readable,
      done: (error: Error | null, all: readonly Info[]) => void,
    ): void;
    demuxStream(from: Readable, out: NodeJS.WritableStream, error: NodeJS.WritableStream): void;
  };
}
const Docker = createRequire(import.meta.url)('dockerode') as new (options: object) => Client;

const skip = cannotRun();
const POLL_MS = 5;
let daemon: Daemon;
let docker: Client;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  docker = new Docker({ socketPath: daemon.engine.socket });
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

/** The error that a promise is rejected with, as dockerode makes it. */
async function refusal(promise: Promise<unknown>): Promise<{ statusCode: number; json: Info }> {
  try {
    await promise;
  } catch (error) {
    return error as { statusCode: number; json: Info };
  }
  throw new Error('it was not refused');
}

test('ping, version and the image that is built in', { skip }, async () => {
  assert.equal(String(await docker.ping()), 'OK');
  assert.equal((await docker.version())['ApiVersion'], '1.51');
  assert.equal((await docker.listImages()).length, 1);
  assert.equal((await docker.getImage('busybox:latest').inspect())['Os'], 'linux');
});

test('run() gives the output and the exit code', { skip }, async () => {
  const out = new PassThrough();
  const collected = text(out);
  const [result] = await docker.run('busybox', ['sh', '-c', 'echo hello; exit 5'], out);
  assert.equal(result['StatusCode'], 5);
  assert.match(await collected, /hello\r?\n/);
  for (const { Id } of await docker.listContainers({ all: true })) {
    await docker.getContainer(String(Id)).remove();
  }
});

test('attach by hijack: written before start, read to the end', { skip }, async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['cat'],
    AttachStdin: true,
    OpenStdin: true,
    StdinOnce: true,
  });
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const out = new PassThrough();
  docker.modem.demuxStream(stream, out, out);
  await container.start();
  stream.write('through the hijack');
  stream.end();
  await once(stream, 'end');
  out.end();
  assert.equal(await text(out), 'through the hijack');
  assert.equal((await container.wait()).StatusCode, 0);
  await container.remove();
});

test('attach without hijack: a plain 200 whose request carries stdin', { skip }, async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['head', '-n', '1'],
    OpenStdin: true,
    StdinOnce: true,
  });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true });
  const out = new PassThrough();
  docker.modem.demuxStream(stream, out, out);
  await container.start();
  stream.write('one line\n');
  await once(stream, 'end');
  out.end();
  assert.equal(await text(out), 'one line\n');
  await container.remove({ force: true });
});

test('exec: output, input and exit code, with and without hijack', { skip }, async () => {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '100'] });
  await container.start();
  for (const hijack of [true, false]) {
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'read line; echo "got $line"; exit 3'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await exec.start({ hijack, stdin: true });
    const out = new PassThrough();
    docker.modem.demuxStream(stream, out, out);
    stream.write('input\n');
    await once(stream, 'end');
    out.end();
    assert.equal(await text(out), 'got input\n');
    assert.deepEqual((await exec.inspect()).ExitCode, 3, 'known before the stream ends');
  }
  await container.stop({ t: 0 });
  assert.equal((await container.inspect()).State['ExitCode'], 137);
  await container.remove();
});

test('logs, filters as lists, and errors with their status', { skip }, async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    name: 'dockerode',
    Cmd: ['sh', '-c', 'echo out; echo err >&2'],
    Labels: { a: 'b' },
  });
  await container.start();
  await container.wait();
  const logs = await container.logs({ stdout: true, stderr: true });
  assert.match(String(logs), /out\n[\s\S]*err\n/);
  const found = await docker.listContainers({ all: true, filters: { label: ['a=b'] } });
  assert.deepEqual(found[0]?.['Names'], ['/dockerode']);
  const taken = await refusal(docker.createContainer({ Image: 'busybox', name: 'dockerode' }));
  assert.equal(taken.statusCode, 409);
  const missing = await refusal(docker.createContainer({ Image: 'nosuch' }));
  assert.equal(missing.statusCode, 404);
  assert.match(String(missing.json['message']), /No such image: nosuch:latest/);
  assert.equal((await refusal(container.stop())).statusCode, 304);
  await container.remove();
  assert.equal((await refusal(container.inspect())).statusCode, 404);
});

test('events arrive while they happen', { skip }, async () => {
  const events = await docker.getEvents({ filters: { type: ['container'], event: ['create'] } });
  const container = await docker.createContainer({ Image: 'busybox' });
  const [line] = (await once(events, 'data')) as [Buffer];
  assert.equal(JSON.parse(line.toString()).Actor.ID, container.id);
  events.on('error', () => {});
  events.destroy();
  await container.remove();
});

test('a life: restart, pause, rename, update, top, changes, kill', { skip }, async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    name: 'life',
    Cmd: ['sh', '-c', 'echo x > /made; exec sleep 1000'],
    StopTimeout: 0,
    HostConfig: { Memory: 64 * 1024 * 1024, NetworkMode: 'none' },
  });
  await container.start();
  assert.equal((await refusal(container.start())).statusCode, 304);
  const programs = async (): Promise<readonly string[]> => {
    const { Processes } = await container.top({ ps_args: '-o pid,args' });
    return Processes.map(([, args = '']) => args);
  };
  while (!(await programs()).includes('sleep 1000')) await sleep(POLL_MS);
  await container.pause();
  assert.equal((await container.inspect()).State['Paused'], true);
  assert.equal((await refusal(container.pause())).statusCode, 409);
  await container.unpause();
  await container.rename({ name: 'other' });
  assert.equal((await container.inspect()).Name, '/other');
  assert.deepEqual((await container.update({ CpuShares: 77 }))['Warnings'], null);
  assert.deepEqual(await programs(), ['sleep 1000']);
  assert.ok((await container.changes()).some(({ Path, Kind }) => Path === '/made' && Kind === 1));
  await container.restart({ t: 0 });
  const ended = container.wait();
  await container.kill({ signal: 'SIGKILL' });
  assert.equal((await ended).StatusCode, 137);
  assert.equal((await refusal(container.kill())).statusCode, 409);
  await container.remove();
});

test('a terminal: attach, resize, and the bytes as they are', { skip }, async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['sh', '-c', 'read line; stty size; echo "got $line"'],
    ...{ Tty: true, OpenStdin: true, AttachStdin: true, HostConfig: { NetworkMode: 'none' } },
  });
  const stream = await container.attach({
    ...{ stream: true, stdin: true, stdout: true, stderr: true, hijack: true },
  });
  const seen = text(stream);
  await container.start();
  await container.resize({ h: 33, w: 77 });
  stream.write('input\n');
  assert.match(await seen, /33 77\r\ngot input\r\n$/);
  await container.remove({ force: true });
});

test('archives go in and out, a commit and an export hold them', { skip }, async () => {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: ['cat', '/tmp/in'] });
  const { stdout } = spawnSync('tar', ['-C', '/etc', '-c', 'hostname']);
  await container.putArchive(stdout, { path: '/tmp' });
  const got = await buffer(await container.getArchive({ path: '/tmp/hostname' }));
  assert.equal(got.subarray(0, 8).toString(), 'hostname');
  assert.equal((await refusal(container.getArchive({ path: '/no/such' }))).statusCode, 404);
  const list = spawnSync('tar', ['-t'], { input: await buffer(await container.export()) });
  assert.match(list.stdout.toString(), /^tmp\/hostname$/m);
  const { Id } = await container.commit({ repo: 'made', tag: '1', comment: 'note' });
  assert.match(Id, /^sha256:/);
  assert.equal((await docker.getImage('made:1').history())[0]?.['Comment'], 'note');
  await docker.getImage('made:1').remove();
  await container.remove();
});

test('images: tag, get, load with progress, remove, prune', { skip }, async () => {
  await docker.getImage('busybox').tag({ repo: 'copy', tag: '1' });
  const saved = await buffer(await docker.getImage('copy:1').get());
  assert.deepEqual((await docker.getImage('copy:1').remove())[0], { Untagged: 'copy:1' });
  assert.equal((await refusal(docker.getImage('copy:1').inspect())).statusCode, 404);
  const stream = await docker.loadImage(Readable.from([saved]));
  const { promise, resolve, reject } = Promise.withResolvers<readonly Info[]>();
  docker.modem.followProgress(stream, (error, all) =>
    error === null ? resolve(all) : reject(error),
  );
  assert.match(JSON.stringify(await promise), /Loaded image: copy:1/);
  assert.ok((await docker.getImage('copy:1').inspect()).RepoTags.includes('copy:1'));
  await docker.getImage('copy:1').remove();
  assert.equal((await docker.pruneImages())['SpaceReclaimed'], 0);
});

test('networks: made, joined, shown, left, pruned', { skip }, async () => {
  const network = await docker.createNetwork({ Name: 'wires', Labels: { a: 'b' } });
  assert.equal((await refusal(docker.createNetwork({ Name: 'wires' }))).statusCode, 409);
  const container = await docker.createContainer({
    ...{ Image: 'busybox', name: 'joined', Cmd: ['sleep', '1000'] },
    HostConfig: { NetworkMode: 'none' },
  });
  await container.start();
  assert.equal((await refusal(network.connect({ Container: 'nobody' }))).statusCode, 404);
  await container.stop({ t: 0 });
  await container.remove();
  const wired = await docker.createContainer({
    ...{ Image: 'busybox', name: 'joined', Cmd: ['sleep', '1000'], StopTimeout: 0 },
    NetworkingConfig: { EndpointsConfig: { wires: { Aliases: ['alias'] } } },
    HostConfig: { NetworkMode: 'wires' },
  });
  await wired.start();
  assert.deepEqual(
    Object.values((await network.inspect()).Containers).map((one) => (one as Info)['Name']),
    ['joined'],
  );
  assert.equal((await refusal(network.remove())).statusCode, 403);
  await network.disconnect({ Container: 'joined', Force: true });
  await wired.remove({ force: true });
  const listed = await docker.listNetworks({ filters: { label: ['a=b'] } });
  assert.deepEqual(
    listed.map(({ Name }) => Name),
    ['wires'],
  );
  assert.deepEqual((await docker.pruneNetworks())['NetworksDeleted'], ['wires']);
});

test('volumes: made, used, refused while used, pruned', { skip }, async () => {
  const volume = await docker.createVolume({ Name: 'kept', Labels: { a: 'b' } });
  assert.equal((await docker.getVolume('kept').inspect())['Driver'], 'local');
  const container = await docker.createContainer({
    ...{ Image: 'busybox', Cmd: ['true'] },
    HostConfig: { Binds: ['kept:/v'], NetworkMode: 'none' },
  });
  assert.equal((await refusal(volume.remove())).statusCode, 409);
  const { Volumes } = await docker.listVolumes({ filters: { label: ['a=b'] } });
  assert.deepEqual(
    Volumes?.map(({ Name }) => Name),
    ['kept'],
  );
  await container.remove();
  await volume.remove();
  assert.equal((await refusal(docker.getVolume('kept').inspect())).statusCode, 404);
  assert.equal((await docker.pruneVolumes())['SpaceReclaimed'], 0);
});

test('stats: one sample, and a stream that is left; info and df', { skip }, async () => {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'] });
  await container.start();
  const sample = await container.stats({ stream: false, 'one-shot': true });
  assert.ok((sample['memory_stats'] as { usage: number }).usage > 0);
  const stream = await container.stats({ stream: true });
  const [first] = (await once(stream, 'data')) as [Buffer];
  assert.equal(JSON.parse(first.toString()).id, container.id);
  stream.on('error', () => {});
  stream.destroy();
  assert.equal((await docker.info())['ContainersRunning'], 1);
  assert.equal(((await docker.df())['Containers'] as readonly Info[]).length, 1);
  await container.remove({ force: true });
  assert.deepEqual((await docker.pruneContainers())['ContainersDeleted'], null);
});
