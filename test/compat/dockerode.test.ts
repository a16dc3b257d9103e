// dockerode, which most Node programs use (testcontainers too): it sends no API version, streams by
// hijack or by a plain 200, and reads inspect's fields.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { PassThrough, type Duplex, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
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
  stop(options?: object): Promise<void>;
  remove(options?: object): Promise<void>;
  wait(options?: object): Promise<{ readonly StatusCode: number }>;
  inspect(): Promise<Info & { readonly State: Info; readonly Config: Info; readonly Name: string }>;
  attach(options: object): Promise<Duplex>;
  logs(options: object): Promise<Buffer | Readable>;
  exec(options: object): Promise<Exec>;
}
interface Client {
  ping(): Promise<Buffer>;
  version(): Promise<Info>;
  createContainer(options: object): Promise<Container>;
  getContainer(id: string): Container;
  getImage(name: string): { inspect(): Promise<Info> };
  listContainers(options?: object): Promise<readonly Info[]>;
  listImages(): Promise<readonly Info[]>;
  run(image: string, cmd: readonly string[], out: NodeJS.WritableStream): Promise<readonly [Info]>;
  getEvents(options?: object): Promise<Readable>;
  loadImage(file: string | Readable): Promise<Readable>;
  readonly modem: {
    demuxStream(from: Readable, out: NodeJS.WritableStream, error: NodeJS.WritableStream): void;
  };
}
const Docker = createRequire(import.meta.url)('dockerode') as new (options: object) => Client;

const skip = cannotRun();
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
  out.end();
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
