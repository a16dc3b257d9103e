// What the daemon fetches goes by the proxies of daemon.json: its namespace leads nowhere else.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sha256 } from '#base/digest.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { file, tar } from '../fixture/archive.ts';
import { makeAuthority } from '../fixture/certificate.ts';
import { MemoryRegistry } from '../fixture/memory-registry.ts';
import { relayInside } from '../fixture/way-in.ts';
import { WebProxy } from '../fixture/web-proxy.ts';

const skip = cannotRun();
const PORT = 3128;
const stack = new AsyncDisposableStack();
let proxy: WebProxy;
let daemon: Daemon;

before(async () => {
  if (skip !== false) return;
  const folder = makeScratch('proxies-');
  stack.defer(() => void removeScratch(folder));
  const authority = makeAuthority(folder);
  const names = ['DNS:files.test', 'DNS:reg.test'];
  const socket = join(folder, 'proxy.sock');
  proxy = stack.use(await WebProxy.start(authority.sign('files.test', names), socket));
  proxy.asksWho = true;
  const config = join(folder, 'daemon.json');
  const url = `http://joe:secret@127.0.0.1:${PORT}`;
  const proxies = { 'http-proxy': url, 'https-proxy': url, 'no-proxy': 'near.invalid' };
  writeFileSync(config, JSON.stringify({ proxies }));
  // OpenSSL's own word for the authorities of the host.
  process.env['SSL_CERT_FILE'] = authority.certificateFile;
  daemon = stack.use(await startDaemon(['--config-file', config]));
  const relay = await relayInside(daemon.engine.namespace, PORT, socket);
  stack.defer(() => void relay.kill('SIGKILL'));
});
after(() => stack.disposeAsync());

test('import, ADD and a build from a URL go by the proxies of daemon.json', { skip }, async () => {
  const archive = await tar([file('a', 'a')]);
  proxy.pages.set('http://files.test/rootfs.tar', { body: archive });
  proxy.pages.set('https://files.test/b', { body: 'b' });
  const dockerfile = 'FROM roots\nADD https://files.test/b http://files.test/rootfs.tar /c/\n';
  proxy.pages.set('http://files.test/Dockerfile', { body: dockerfile });
  await daemon.ok('import', 'http://files.test/rootfs.tar', 'roots');
  assert.deepEqual(proxy.take(), ['GET http://files.test/rootfs.tar as joe:secret']);
  const remote = encodeURIComponent('http://files.test/Dockerfile');
  const to = `http://d/v1.41/build?t=built&remote=${remote}`;
  const ask = ['curl', '-s', '--unix-socket', daemon.engine.socket, '-X', 'POST', to];
  assert.match((await daemon.run(ask)).stdout, /Successfully built/);
  assert.deepEqual(proxy.take().toSorted(), [
    'CONNECT files.test:443 as joe:secret',
    'GET http://files.test/Dockerfile as joe:secret',
    'GET http://files.test/rootfs.tar as joe:secret',
  ]);
  await daemon.ok('image', 'inspect', 'built');
});

test('git goes by them, but not to loopback', { skip }, async () => {
  const add = async (url: string): Promise<string> => {
    const built = await daemon.run(['docker', 'build', '-'], {
      input: `FROM scratch\nADD ${url} /\n`,
      env: { DOCKER_BUILDKIT: '0' },
    });
    assert.notEqual(built.code, 0);
    return built.stderr;
  };
  await add('http://files.test/app.git');
  assert.match(proxy.take().at(-1) ?? '', /^GET http:\/\/files\.test\/app\.git\/.* as joe:secret$/);
  await add('https://files.test/app.git');
  assert.equal(proxy.take().at(-1), 'CONNECT files.test:443 as joe:secret');
  await add('http://127.0.0.1:1/app.git');
  await add('http://near.invalid/app.git');
  assert.deepEqual(proxy.take(), []);
});

test('a pull goes by them too', { skip }, async () => {
  const registry = new MemoryRegistry();
  registry.putImage('1', {
    layers: [gzipSync(await tar([file('a', 'a')]))],
    plain: [await tar([file('a', 'a')])],
  });
  const base = 'https://reg.test/v2/';
  proxy.pages.set(base, { body: '{}' });
  for (const [digest, body] of registry.blobs) {
    proxy.pages.set(`${base}app/blobs/${digest}`, { body });
  }
  for (const [digest, { bytes, mediaType }] of registry.manifests) {
    assert.equal(digest, sha256(bytes));
    const headers = { 'content-type': mediaType, 'docker-content-digest': digest };
    for (const name of ['1', digest]) {
      proxy.pages.set(`${base}app/manifests/${name}`, { body: bytes, headers });
    }
  }
  await daemon.ok('pull', 'reg.test/app:1');
  const asked = new Set(proxy.take());
  assert.deepEqual([...asked], ['CONNECT reg.test:443 as joe:secret']);
});

test('what no-proxy names, and loopback, is asked directly', { skip }, async () => {
  for (const host of ['near.invalid', '127.0.0.1:1']) {
    const { code, stderr } = await daemon.docker('import', `http://${host}/x`);
    assert.equal(code, 1);
    assert.match(stderr, /Get "http:\/\/[^"]*\/x": (getaddrinfo|connect) /);
  }
  assert.deepEqual(proxy.take(), []);
});
