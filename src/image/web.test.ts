// What is fetched by URL, with real connections of loopback: a proxy that answers for its hosts,
// and a plain server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { type Certificate, makeAuthority } from '../../test/fixture/certificate.ts';
import { WebProxy } from '../../test/fixture/web-proxy.ts';
import { openWeb } from './web.ts';

const folder = makeScratch('web-');
const stack = new AsyncDisposableStack();
const { signal } = new AbortController();
let proxy: WebProxy;
let environment: Record<string, string>;
let direct = '';
let certificate: Certificate;

before(async () => {
  const authority = makeAuthority(folder);
  // OpenSSL's own word for the authorities of the host.
  process.env['SSL_CERT_FILE'] = authority.certificateFile;
  const names = ['DNS:files.test', 'DNS:localhost'];
  certificate = authority.sign('files.test', names);
  proxy = stack.use(await WebProxy.start(certificate));
  environment = {
    http_proxy: `http://joe:s%40cret@127.0.0.1:${proxy.port}`,
    HTTPS_PROXY: `127.0.0.1:${proxy.port}`,
    NO_PROXY: 'near.invalid',
  };
  const plain = createServer(({ headers, url }, response) => {
    if (url !== '/cut') return response.end(`direct ${url} ${headers.authorization ?? 'nobody'}`);
    response.writeHead(200, { 'content-length': '1000' }).write('begun');
    return setTimeout(() => response.destroy(), 20);
  });
  stack.defer(() => plain.close().closeAllConnections());
  await once(plain.listen(0, '127.0.0.1'), 'listening');
  direct = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
});
after(async () => {
  await stack.disposeAsync();
  removeScratch(folder);
});

const read = async (url: string, more: Partial<Parameters<typeof openWeb>[1]> = {}) => {
  const file = await openWeb(url, { signal, environment, ...more });
  return `${file.status} ${file.status === 200 ? await text(file.body) : ''}`;
};

test('http asks the proxy for the whole address, https goes through it by CONNECT', async () => {
  proxy.pages.set('http://files.test/a?b=1', { body: 'plain' });
  proxy.pages.set('https://files.test/a', { body: 'secret' });
  assert.equal(await read('http://files.test/a?b=1#part'), '200 plain');
  assert.equal(await read('https://files.test/a'), '200 secret');
  assert.equal(await read('http://files.test/none'), '404 ');
  assert.deepEqual(proxy.take(), [
    'GET http://files.test/a?b=1 as joe:s@cret',
    'CONNECT files.test:443',
    'GET http://files.test/none as joe:s@cret',
  ]);
});

test('loopback and the hosts of NO_PROXY are asked directly, also where a proxy led to them', async () => {
  assert.equal(await read(`${direct}/x`), '200 direct /x nobody');
  await assert.rejects(read('http://near.invalid/'), /getaddrinfo/);
  assert.deepEqual(proxy.take(), []);
  proxy.pages.set('http://files.test/away', {
    status: 302,
    headers: { location: `${direct}/away` },
    body: '',
  });
  assert.equal(await read('http://files.test/away'), '200 direct /away nobody');
  assert.equal(proxy.take().length, 1);
});

test('only who was named gets the credentials', async () => {
  const headers = { authorization: 'Basic x' };
  assert.equal(await read(`${direct}/x`, { headers }), '200 direct /x Basic x');
  assert.equal(await read('http://files.test/away', { headers }), '200 direct /away nobody');
});

test('a proxy that is not there or speaks another protocol is told of, without its password', async () => {
  const by = (http_proxy: string) => read('http://files.test/a', { environment: { http_proxy } });
  const says = (pattern: RegExp) => (error: Error) =>
    pattern.test(error.message) && !error.message.includes('s3');
  await assert.rejects(by('http://joe:s3@127.0.0.1:1'), says(/^proxyconnect: .*ECONNREFUSED/));
  await assert.rejects(by('socks5://joe:s3@127.0.0.1:1'), says(/a proxy of SOCKS/));
  await assert.rejects(by('ftp://joe:s3@127.0.0.1:1'), says(/HTTP_PROXY is no URL of a proxy/));
});

test('a proxy that speaks TLS is trusted by the authorities of the host', async () => {
  const { certificate: cert, key } = certificate;
  const server = createTlsServer({ cert, key }, ({ url }, response) => response.end(url));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const http_proxy = `https://localhost:${(server.address() as AddressInfo).port}`;
  const told = await read('http://files.test/tls', { environment: { http_proxy } });
  assert.equal(told, '200 http://files.test/tls');
  server.close();
});

test('redirects are bounded, and lead to no other scheme and to no password', async () => {
  const leads = (from: string, location: string) =>
    proxy.pages.set(from, { status: 301, headers: { location }, body: 'x' });
  leads('http://files.test/round', '/round');
  await assert.rejects(read('http://files.test/round'), /redirected more than 10 times/);
  leads('http://files.test/file', 'file:///etc/passwd');
  await assert.rejects(read('http://files.test/file'), /leads to file:\/\/, which is not followed/);
  leads('http://files.test/joe', 'http://joe:s3@files.test/a');
  await assert.rejects(read('http://files.test/joe'), /password has no place/);
  leads('https://files.test/down', 'http://files.test/a?b=1');
  assert.equal(await read('https://files.test/down'), '200 plain');
  const kept = read('https://files.test/down', { downgrade: false });
  await assert.rejects(kept, /leads to http:\/\/, which is not followed/);
});

test('a body that was packed for the way is unpacked, and one that is cut is no file', async () => {
  const headers = { 'content-encoding': 'gzip' };
  proxy.pages.set('http://files.test/packed', { body: gzipSync('long '.repeat(9)), headers });
  assert.equal(await read('http://files.test/packed'), `200 ${'long '.repeat(9)}`);
  proxy.pages.set('http://files.test/half', { body: gzipSync('long').subarray(0, 12), headers });
  await assert.rejects(read('http://files.test/half'), /unexpected end of file/);
  await assert.rejects(read(`${direct}/cut`), /aborted/);
  const stop = new AbortController();
  const { body } = await openWeb(`${direct}/cut`, { signal: stop.signal, environment });
  stop.abort();
  await assert.rejects(text(body), /abort/);
});
