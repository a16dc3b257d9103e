// dockerode for what dockerode.test.ts does not do with it: networks, volumes, images, archives,
// stats, and every verb of a container, by its published types.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import Docker from 'dockerode';
import { encodeTar } from '#tar/encode.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
let daemon: Daemon;
let docker: Docker;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  docker = new Docker({ socketPath: daemon.engine.socket });
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

/** A container that runs, without a network unless told. */
async function running(options: Docker.ContainerCreateOptions = {}): Promise<Docker.Container> {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['sleep', '100'],
    ...options,
    HostConfig: { NetworkMode: 'none', ...options.HostConfig },
  });
  await container.start();
  return container;
}

function tarOf(path: string, content: string): Readable {
  const body = Buffer.from(content);
  return Readable.from(encodeTar([{ kind: 'file', path, mode: 0o644, size: body.length, body }]));
}

test('every verb of a container', { skip }, async () => {
  const container = await running({ name: 'verbs', Labels: { a: 'b' } });
  await container.pause();
  assert.equal((await container.inspect()).State.Paused, true);
  await container.unpause();
  await container.rename({ name: 'renamed' });
  await container.update({ Memory: 64 * 1024 * 1024, MemorySwap: -1 });
  assert.equal((await container.inspect()).HostConfig.Memory, 64 * 1024 * 1024);
  assert.ok((await container.top()).Processes.length > 0);
  await container.restart({ t: 0 });
  await container.kill({ signal: 'SIGKILL' });
  assert.equal((await container.wait()).StatusCode, 137);
  await container.start();
  await container.stop({ t: 0 });
  await container.remove({ v: true });
  await assert.rejects(container.inspect(), { statusCode: 404 });
});

test('a size without a terminal is taken and changes nothing, of a command too', {
  skip,
}, async () => {
  const container = await running();
  await container.resize({ h: 20, w: 30 });
  const exec = await container.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
  const stream = await exec.start({ hijack: true, stdin: true });
  await exec.resize({ h: 20, w: 30 });
  stream.end();
  await container.remove({ force: true });
});

test('archives go in and come out, changes and the root are told, an image is made of it', {
  skip,
}, async () => {
  const container = await running();
  await container.putArchive(tarOf('said', 'hello'), { path: '/tmp' });
  const out = await buffer(await container.getArchive({ path: '/tmp/said' }));
  assert.ok(out.includes('hello'));
  const changes = (await container.changes()) as readonly { Path: string }[];
  assert.ok(changes.some(({ Path: path }) => path === '/tmp/said'));
  assert.ok((await buffer(await container.export())).length > 1_000_000);
  const { Id: id } = (await container.commit({ repo: 'made', tag: '1' })) as { Id: string };
  const image = docker.getImage('made:1');
  assert.equal((await image.inspect()).Id, id);
  await container.remove({ force: true });
  await image.remove();
});

test('stats come as a stream and once', { skip }, async () => {
  const container = await running();
  const once_ = await container.stats({ stream: false });
  assert.ok(once_.memory_stats.usage > 0);
  const stream = await container.stats({ stream: true });
  const [first] = (await once(stream, 'data')) as [Buffer];
  assert.equal((JSON.parse(first.toString()) as { id: string }).id, container.id);
  (stream as Readable).destroy();
  await container.remove({ force: true });
});

test('networks and volumes are made, used, listed and removed', { skip }, async () => {
  const network = await docker.createNetwork({ Name: 'shop', Labels: { a: 'b' } });
  await docker.createVolume({ Name: 'data', Labels: { a: 'b' } });
  const volume = docker.getVolume('data');
  const container = await running({ HostConfig: { NetworkMode: 'bridge', Binds: ['data:/data'] } });
  await network.connect({ Container: container.id, EndpointConfig: { Aliases: ['store'] } });
  assert.deepEqual(Object.keys((await network.inspect()).Containers ?? {}), [container.id]);
  await network.disconnect({ Container: container.id });
  await container.remove({ force: true });
  const filters = { label: ['a=b'] };
  assert.equal((await docker.listNetworks({ filters }))[0]?.Id, network.id);
  assert.equal((await docker.listVolumes({ filters })).Volumes[0]?.Name, 'data');
  await network.remove();
  await volume.remove();
});

test('images are tagged, shown, saved, loaded and built', { skip }, async () => {
  const image = docker.getImage('busybox');
  await image.tag({ repo: 'again', tag: '1' });
  assert.ok((await image.history()).length > 0);
  const archive = await buffer(await docker.getImage('again:1').get());
  await docker.getImage('again:1').remove();
  const said = await text(await docker.loadImage(Readable.from([archive])));
  assert.match(said, /Loaded image: again:1/);
  await docker.getImage('again:1').remove();
  const context = tarOf('Dockerfile', 'FROM busybox\nLABEL a=b\n');
  const stream = await docker.buildImage(context, { t: 'built:1' });
  const { promise, reject, resolve } = Promise.withResolvers<void>();
  docker.modem.followProgress(stream, (error) => (error === null ? resolve() : reject(error)));
  await promise;
  assert.equal((await docker.getImage('built:1').inspect()).Config.Labels['a'], 'b');
  await docker.getImage('built:1').remove();
});

test('an error in a stream of progress reaches the caller', { skip }, async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  docker.pull('127.0.0.1:1/nothing:1').then(
    (stream) => docker.modem.followProgress(stream, (error) => resolve(error)),
    (error: unknown) => resolve(error),
  );
  assert.match(String(await promise), /127\.0\.0\.1:1/);
});

test('the engine tells of itself', { skip }, async () => {
  const info = (await docker.info()) as { OSType: string };
  assert.equal(info.OSType, 'linux');
  assert.ok(Array.isArray((await docker.df()).Images));
  const pruned = await docker.pruneContainers();
  assert.equal(pruned.SpaceReclaimed, 0);
});
