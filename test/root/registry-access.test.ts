// Who may read what, and over what: users and tokens of a real docker-registry, TLS, proxies,
// mirrors, blocked registries, and redirects that try to learn a password.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isEngineError } from '#base/error.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { type Authority, makeAuthority } from '../fixture/certificate.ts';
import { FaultProxy } from '../fixture/fault-proxy.ts';
import { NO_REGISTRY as skip, TestRegistry } from '../fixture/registry.ts';
import {
  authOf,
  openClient,
  putImage,
  repositoryOf,
  smallImage,
  transfer,
} from '../fixture/registry-client.ts';
import { TokenServer } from '../fixture/registry-token.ts';

const folder = makeScratch('access-');
const ANN = { username: 'ann', password: 'secret' };
const image = smallImage();
const newFile = () => join(folder, randomBytes(6).toString('hex'));
const stack = new AsyncDisposableStack();
let plain: TestRegistry;
let authority: Authority;

before(async () => {
  if (skip !== false) return;
  plain = stack.use(await TestRegistry.start());
  await putImage(plain, 'team/app', 'v1', image);
  authority = makeAuthority(folder);
});
after(async () => {
  await stack.disposeAsync();
  removeScratch(folder);
});

/** The same images behind users, tokens or TLS. */
const sameImages = (wish: Parameters<typeof TestRegistry.start>[0]) =>
  TestRegistry.start({ ...wish, data: plain.data });

const refused = (code: string, words: RegExp | string) => (error: unknown) => {
  assert.ok(isEngineError(error), String(error));
  assert.equal(error.code, code, error.message);
  if (typeof words === 'string') assert.equal(error.message, words);
  else assert.match(error.message, words);
  assert.doesNotMatch(JSON.stringify([error.message, error.facts]), /secret|Basic |Bearer ey/);
  return true;
};

test('a registry with users is read with the right password only', { skip }, async () => {
  await using registry = await sameImages({ users: { ann: 'secret' } });
  await using registries = openClient();
  const name = `${registry.host}/team/app:v1`;
  const url = `http://${registry.host}/v2/`;
  const manifest = (auth?: typeof ANN) =>
    repositoryOf(registries, name, 'pull', auth).manifest(transfer());
  assert.equal((await manifest(ANN)).digest, image.digest);
  await assert.rejects(
    manifest(),
    refused('unauthorized', `Get "${url}team/app/manifests/v1": no basic auth credentials`),
  );
  await assert.rejects(
    manifest({ ...ANN, password: 'wrong-secret' }),
    refused('unauthorized', 'unauthorized: authentication required'),
  );
  const login = (auth: Partial<typeof ANN>) =>
    registries.login(authOf({ ...auth, serverAddress: registry.host }), transfer());
  assert.deepEqual(await login(ANN), { identityToken: '' });
  // The texts of dockerd 20.10 for the same.
  await assert.rejects(
    login({ ...ANN, password: 'wrong' }),
    refused('unauthorized', `login attempt to ${url} failed with status: 401 Unauthorized`),
  );
});

test('tokens are asked for by scope, kept, and fetched anew when they have ended', {
  skip,
}, async () => {
  await using tokens = await TokenServer.start({ authority, users: { ann: 'secret' } });
  await using registry = await sameImages({ token: tokens.registry });
  await using registries = openClient();
  const repository = repositoryOf(registries, `${registry.host}/team/app:v1`, 'pull', ANN);
  await repository.manifest(transfer());
  await repository.download(image.blob, newFile(), transfer());
  assert.deepEqual(
    tokens.requests.map(({ method, scopes, user }) => [method, scopes, user]),
    [['GET', ['repository:team/app:pull'], 'ann']],
  );
  assert.equal(tokens.requests[0]?.parameters['service'], 'test-registry');
  assert.equal(tokens.requests[0]?.parameters['account'], 'ann');
  // Another user never gets this one's token.
  const other = { ...ANN, password: 'guess' };
  await assert.rejects(
    repositoryOf(registries, `${registry.host}/team/app:v1`, 'pull', other).manifest(transfer()),
    refused('unauthorized', /^Get ".*": unauthorized: incorrect username or password$/),
  );
});

test('a token that ends early is replaced by a new one, once', { skip }, async () => {
  await using tokens = await TokenServer.start({ authority, users: { ann: 'secret' } });
  await using registry = await sameImages({ token: tokens.registry });
  await using registries = openClient();
  const repository = repositoryOf(registries, `${registry.host}/team/app:v1`, 'pull', ANN);
  tokens.expiresIn = 3600;
  tokens.lifeSeconds = -100;
  await assert.rejects(repository.manifest(transfer()), refused('unauthorized', /unauthorized: /));
  assert.equal(tokens.requests.length, 2);
  tokens.lifeSeconds = 300;
  await repository.manifest(transfer());
  assert.equal(tokens.requests.length, 3);
});

test('who is nobody gets what is open, and the words of dockerd for the rest', {
  skip,
}, async () => {
  const users = { ann: 'secret' };
  await using tokens = await TokenServer.start({ authority, users, open: /^open\// });
  await putImage(plain, 'open/app', 'v1', image);
  await using registry = await sameImages({ token: tokens.registry });
  await using registries = openClient();
  const manifest = (name: string) =>
    repositoryOf(registries, `${registry.host}/${name}`).manifest(transfer());
  assert.equal((await manifest('open/app:v1')).digest, image.digest);
  const name = `${registry.host}/team/app`;
  await assert.rejects(
    manifest('team/app:v1'),
    refused(
      'not_found',
      `pull access denied for ${name}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    ),
  );
  await assert.rejects(
    manifest('open/app:v2'),
    refused(
      'not_found',
      `manifest for ${registry.host}/open/app:v2 not found: manifest unknown: manifest unknown`,
    ),
  );
});

test('a login gets an identity token, which then stands for the password', { skip }, async () => {
  await using tokens = await TokenServer.start({ authority, users: { ann: 'secret' } });
  await using registry = await sameImages({ token: tokens.registry });
  await using registries = openClient();
  const login = (auth: Partial<typeof ANN>) =>
    registries.login(authOf({ ...auth, serverAddress: `http://${registry.host}/v1/` }), transfer());
  const { identityToken } = await login(ANN);
  assert.equal(tokens.refreshTokens.get(identityToken), 'ann');
  assert.equal(tokens.requests.length, 1, 'one token, which was tried');
  const user = { username: 'ann', identityToken };
  const repository = repositoryOf(registries, `${registry.host}/team/app:v1`, 'pull', user);
  await repository.manifest(transfer());
  const { method, parameters } = tokens.requests.at(-1)!;
  assert.equal(method, 'POST');
  assert.equal(parameters['grant_type'], 'refresh_token');
  assert.equal(parameters['scope'], 'repository:team/app:pull');
  await assert.rejects(
    login({ ...ANN, password: 'no' }),
    refused(
      'unauthorized',
      `Get "http://${registry.host}/v2/": unauthorized: incorrect username or password`,
    ),
  );
});

test('a password is not sent on to where a redirect or a Location leads', { skip }, async () => {
  await using registry = await sameImages({ users: { ann: 'secret' } });
  await using front = await FaultProxy.start(registry.host);
  await using thief = await FaultProxy.start(plain.host);
  await using registries = openClient({ attemptsMax: 1 });
  const repository = repositoryOf(registries, `${front.host}/team/app:v1`, 'pull', ANN);
  const path = `/v2/team/app/blobs/${image.blob.digest}`;
  const location = `${thief.url}${path}`;
  front.add({ kind: 'answer', status: 307, headers: { location }, match: /GET .*blobs/ });
  await repository.download(image.blob, newFile(), transfer());
  assert.equal(thief.requests.length, 1);
  assert.equal(thief.requests[0]?.headers.authorization, undefined);
  assert.match(front.requests.at(-1)?.headers.authorization ?? '', /^Basic /);

  thief.reset();
  const upload = { location: `${thief.url}/v2/team/app/blobs/uploads/x` };
  front.add({ kind: 'answer', status: 202, headers: upload, match: /POST/ });
  const file = newFile();
  copyLayer(file);
  const pushing = repositoryOf(registries, `${front.host}/team/app:v1`, 'push', ANN);
  await assert.rejects(pushing.upload(image.blob, file, transfer()));
  assert.ok(thief.requests.length > 0);
  for (const { headers } of thief.requests) assert.equal(headers.authorization, undefined);
});

function copyLayer(file: string): void {
  const hex = image.blob.digest.slice(7);
  copyFileSync(
    join(plain.data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'),
    file,
  );
}

test('redirects have a limit, and other schemes and blocked hosts are not followed', {
  skip,
}, async () => {
  await using proxy = await FaultProxy.start(plain.host);
  await using registries = openClient({ blocked: ['evil.example'] });
  const manifest = () => repositoryOf(registries, `${proxy.host}/team/app:v1`).manifest(transfer());
  const redirect = (location: string) => {
    proxy.reset();
    const rule = {
      kind: 'answer',
      status: 302,
      headers: { location },
      match: /manifests/,
    } as const;
    proxy.add({ ...rule, times: Number.POSITIVE_INFINITY });
  };
  redirect('/v2/team/app/manifests/v1');
  await assert.rejects(manifest(), refused('unavailable', /stopped after 10 redirects/));
  assert.equal(proxy.lines(/manifests/).length, 11);
  redirect('file:///etc/passwd');
  await assert.rejects(manifest(), refused('unavailable', /wrong place: scheme file:/));
  redirect('https://evil.example/v2/');
  await assert.rejects(manifest(), refused('forbidden', /evil\.example is blocked/));
});

test('mirrors are asked in order; what they lack or spoil comes from the registry', {
  skip,
}, async () => {
  await using registry = await sameImages({ users: { ann: 'secret' } });
  await using upstream = await FaultProxy.start(registry.host);
  await using bad = await FaultProxy.start(plain.host);
  await using good = await FaultProxy.start(plain.host);
  const urls = ['http://127.0.0.1:1', bad.url, `${good.url}/team/`];
  await using registries = openClient({ mirrors: { [upstream.host]: urls } });
  const repository = repositoryOf(registries, `${upstream.host}/app:v1`, 'pull', ANN);
  bad.add({ kind: 'answer', status: 404, match: /manifests/ });
  assert.equal((await repository.manifest(transfer())).digest, image.digest);
  assert.deepEqual(bad.lines(/manifests/), [
    `GET /v2/app/manifests/v1?ns=${encodeURIComponent(upstream.host)} 404`,
  ]);
  assert.equal(good.lines(/GET \/v2\/team\/app\/manifests\/v1\?ns=.* 200$/).length, 1);
  assert.deepEqual(upstream.lines(), [], 'the registry itself was not needed');
  for (const { headers } of [...bad.requests, ...good.requests]) {
    assert.equal(headers.authorization, undefined);
  }

  // A mirror that sends something else is passed over; so is one that hangs up in the middle.
  const always = Number.POSITIVE_INFINITY;
  bad.add({ kind: 'answer', status: 503, match: /blobs/, times: always });
  good.add({ kind: 'corrupt', at: 5, match: /blobs/, times: always });
  const own = repositoryOf(registries, `${upstream.host}/team/app:v1`, 'pull', ANN);
  const file = newFile();
  await own.download(image.blob, file, transfer());
  assert.ok(readFileSync(file).equals(image.layer));
  assert.equal(upstream.lines(/blobs.* 200$/).length, 1);

  // Who pushes looks at the registry itself.
  const pushing = repositoryOf(registries, `${upstream.host}/team/app:v1`, 'push', ANN);
  const before = good.requests.length;
  assert.ok(await pushing.hasBlob(image.blob.digest, transfer()));
  assert.equal(good.requests.length, before);
});

test('a blocked registry is refused before anything is sent', { skip }, async () => {
  await using proxy = await FaultProxy.start(plain.host);
  await using registries = openClient({ blocked: [proxy.host, 'docker.io'] });
  const blocked = (error: unknown) =>
    refused('forbidden', /is blocked by the configuration/)(error);
  assert.throws(() => repositoryOf(registries, `${proxy.host}/team/app:v1`), blocked);
  assert.throws(() => repositoryOf(registries, 'busybox'), blocked);
  await assert.rejects(
    registries.login(authOf({ serverAddress: 'https://index.docker.io/v1/' }), transfer()),
    blocked,
  );
  await assert.rejects(
    registries.login(authOf({ serverAddress: proxy.host }), transfer()),
    blocked,
  );
  assert.deepEqual(proxy.requests, []);
  // As a mirror it is passed over.
  const mirrors = { [plain.host]: [proxy.url] };
  await using mirrored = openClient({ blocked: [proxy.host], mirrors });
  const repository = repositoryOf(mirrored, `${plain.host}/team/app:v1`);
  assert.equal((await repository.manifest(transfer())).digest, image.digest);
  assert.deepEqual(proxy.requests, []);
});

test('loopback is tried with TLS that nobody verified, then without', { skip }, async () => {
  await using tls = await sameImages({ tls: authority.sign('wrong', ['DNS:other.example']) });
  await using registries = openClient();
  const manifest = (host: string) =>
    repositoryOf(registries, `${host}/team/app:v1`).manifest(transfer());
  assert.equal((await manifest(tls.host)).digest, image.digest);
  assert.equal((await manifest(plain.host)).digest, image.digest);
  // The last of both failures is told, as dockerd does; nobody waits for a wrong address.
  const startedAt = performance.now();
  await assert.rejects(
    manifest('127.0.0.1:1'),
    refused(
      'unavailable',
      'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    ),
  );
  assert.ok(performance.now() - startedAt < 2_000);
});

/** A proxy that connects any name to loopback, so that a name can have a certificate. */
class NameProxy implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #server = createServer();
  readonly #sockets = new Set<Socket>();

  static async start(): Promise<NameProxy> {
    const proxy = new NameProxy();
    proxy.#server.on('connect', (request, socket: Socket, head) => {
      proxy.asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
      const target = connect(Number(request.url?.split(':')[1]), '127.0.0.1');
      for (const each of [socket, target]) {
        proxy.#sockets.add(each);
        each.on('error', () => socket.destroy());
      }
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      target.write(head);
      target.pipe(socket);
      socket.pipe(target);
    });
    proxy.#server.on('request', (request, response) => {
      proxy.asked.push(`${request.method} ${request.url}`);
      const { port, pathname, search } = new URL(request.url ?? '');
      const { method, headers } = request;
      const options = { host: '127.0.0.1', port, path: pathname + search, method, headers };
      const onward = httpRequest(options, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://me:word@127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

test('TLS is verified, by private authorities in certs.d too, and through a proxy', {
  skip,
}, async () => {
  await using proxy = await NameProxy.start();
  const certificate = authority.sign('registry', ['DNS:reg.example']);
  await using registry = await sameImages({ tls: certificate });
  const port = registry.host.split(':')[1];
  const certs = join(folder, 'certs.d');
  const ask = async (host: string, insecure: readonly string[] = []) => {
    const environment = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url };
    const config = { certsDirectories: [join(folder, 'none'), certs], insecure };
    await using registries = openClient(config, {}, environment);
    return (await repositoryOf(registries, `${host}/team/app:v1`).manifest(transfer())).digest;
  };
  const host = `reg.example:${port}`;
  const failed = `Get "https://${host}/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`;
  await assert.rejects(ask(host), refused('unavailable', failed));
  assert.equal(await ask(host, [host]), image.digest, 'configured as insecure');
  mkdirSync(join(certs, host), { recursive: true });
  copyFileSync(authority.certificateFile, join(certs, host, 'ca.crt'));
  assert.equal(await ask(host), image.digest, 'with its authority in certs.d');
  const basic = Buffer.from('me:word').toString('base64');
  assert.ok(proxy.asked.includes(`CONNECT ${host} Basic ${basic}`));

  const other = `other.example:${port}`;
  mkdirSync(join(certs, other), { recursive: true });
  copyFileSync(authority.certificateFile, join(certs, other, 'ca.crt'));
  await assert.rejects(
    ask(other),
    refused('unavailable', /x509: certificate is not valid for other\.example$/),
  );
  copyFileSync(certificate.certificateFile, join(certs, host, 'client.cert'));
  await assert.rejects(
    ask(host),
    refused('invalid_argument', /missing key client\.key for client certificate client\.cert/),
  );
  rmSync(certs, { recursive: true });

  // Without TLS the proxy gets the whole URL; a registry that speaks none is told.
  const open = `open.example:${plain.host.split(':')[1]}`;
  await assert.rejects(
    ask(open),
    refused(
      'unavailable',
      `Get "https://${open}/v2/": http: server gave HTTP response to HTTPS client`,
    ),
  );
  assert.equal(await ask(open, [open]), image.digest);
  assert.ok(proxy.asked.includes(`GET http://${open}/v2/`));
});

test('a registry that wants a certificate of its clients gets that of certs.d', {
  skip,
}, async () => {
  const certs = makeScratch('certs-');
  await using registry = await sameImages({
    tls: authority.sign('server', ['IP:127.0.0.1']),
    clientAuthority: authority.certificateFile,
  });
  const manifest = async () => {
    await using registries = openClient({ certsDirectories: [certs], attemptsMax: 1 });
    return await repositoryOf(registries, `${registry.host}/team/app:v1`).manifest(transfer());
  };
  await assert.rejects(manifest(), refused('unavailable', /^Get "https:.*": unexpected EOF$/));
  const client = authority.sign('client');
  mkdirSync(join(certs, registry.host));
  copyFileSync(client.certificateFile, join(certs, registry.host, 'me.cert'));
  copyFileSync(client.keyFile, join(certs, registry.host, 'me.key'));
  assert.equal((await manifest()).digest, image.digest);
  removeScratch(certs);
});

test('401 in the middle of a download brings a new token, and the rest', { skip }, async () => {
  await using tokens = await TokenServer.start({ authority, users: { ann: 'secret' } });
  await using registry = await sameImages({ token: tokens.registry });
  await using proxy = await FaultProxy.start(registry.host);
  await using registries = openClient();
  const challenge = `Bearer realm="${tokens.url}",service="test-registry",error="invalid_token"`;
  proxy.add(
    { kind: 'cut', at: 100_000, match: /blobs/ },
    {
      kind: 'answer',
      status: 401,
      headers: { 'www-authenticate': challenge },
      match: /blobs/,
    },
  );
  const repository = repositoryOf(registries, `${proxy.host}/team/app:v1`, 'pull', ANN);
  const file = newFile();
  await repository.download(image.blob, file, transfer());
  assert.ok(readFileSync(file).equals(image.layer));
  assert.equal(tokens.requests.length, 2);
  const sent = proxy.requests.map(({ headers }) => headers.authorization).slice(1);
  assert.equal(new Set(sent).size, 2);
});

test('a token server without TLS is not asked by a registry that has it', { skip }, async () => {
  await using proxy = await FaultProxy.start(undefined, authority.sign('x', ['IP:127.0.0.1']));
  await using thief = await FaultProxy.start();
  await using registries = openClient();
  const headers = { 'www-authenticate': `Bearer realm="${thief.url}/token"` };
  proxy.add({ kind: 'answer', status: 401, headers, times: Number.POSITIVE_INFINITY });
  await assert.rejects(
    repositoryOf(registries, `${proxy.host}/team/app:v1`, 'pull', ANN).manifest(transfer()),
    refused('unauthorized', /names no usable token server: it is at http:\/\/.*, without TLS/),
  );
  assert.deepEqual(thief.requests, []);
});

test('what is no image of today is refused with what to do', { skip }, async () => {
  await using proxy = await FaultProxy.start(plain.host);
  await using registries = openClient();
  const repository = repositoryOf(registries, `${proxy.host}/team/app:v1`);
  const answer = (type: string, body: string | Buffer, more = {}) =>
    proxy.add({
      kind: 'answer',
      status: 200,
      headers: { 'content-type': type, ...more },
      body,
      match: /GET .*manifests/,
    });
  answer(
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    JSON.stringify({ schemaVersion: 1 }),
  );
  await assert.rejects(
    repository.manifest(transfer()),
    refused('not_implemented', /schema 1 are not supported\. Suggest the author of .*app:v1 to/),
  );
  answer('text/html', '<html>');
  await assert.rejects(
    repository.manifest(transfer()),
    refused('corrupt', 'unsupported manifest media type: text/html'),
  );
  answer('application/json', Buffer.alloc(5 * 1024 * 1024, 32));
  await assert.rejects(repository.manifest(transfer()), refused('limit_exceeded', /manifest/));
  // The media type is that of the manifest where the server has a general one.
  answer('application/json', image.manifest);
  assert.match((await repository.manifest(transfer())).mediaType, /manifest\.v2\+json$/);
  // A digest that is wrong is asked for once more.
  const wrong = { 'docker-content-digest': `sha256:${'1'.repeat(64)}` };
  answer('application/json', image.manifest, wrong);
  answer('application/json', image.manifest, wrong);
  await assert.rejects(
    repository.manifest(transfer()),
    refused('corrupt', /^manifest verification failed for digest sha256:1111/),
  );
});

test('a server that never ends an answer is not listened to for ever', { skip }, async () => {
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    if (url === '/v2/') return response.end();
    if (url.includes('/manifests/')) response.writeHead(url.includes('bad') ? 404 : 200);
    if (url.includes('/blobs/')) {
      response.writeHead(401, {
        'www-authenticate': `Bearer realm="http://${request.headers.host}/token"`,
      });
      return response.end();
    }
    const chunk = Buffer.alloc(64 * 1024, 32);
    const more = () => {
      while (response.write(chunk)) if (response.destroyed) return;
      response.once('drain', more);
    };
    return more();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  using closing = new DisposableStack();
  closing.defer(() => server.close().closeAllConnections());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using registries = openClient({ attemptsMax: 1 });
  const repository = (tag: string) => repositoryOf(registries, `${host}/a:${tag}`);
  await assert.rejects(
    repository('v1').manifest(transfer()),
    refused('limit_exceeded', /manifest/),
  );
  await assert.rejects(
    repository('bad').manifest(transfer()),
    refused('not_found', /404 Not Found/),
  );
  await assert.rejects(repository('v1').tags(transfer()), refused('limit_exceeded', /tags/));
  await assert.rejects(
    repository('v1').download(image.blob, newFile(), transfer()),
    refused('limit_exceeded', /token exceeds/),
  );
});

test('the thread ends when nothing is asked for a while, and comes back', { skip }, async () => {
  await using registries = openClient({}, { idleMs: 50 });
  const threads = () => readdirSync('/proc/self/task').length;
  const repository = repositoryOf(registries, `${plain.host}/team/app:v1`);
  await repository.manifest(transfer());
  const busy = threads();
  while (threads() >= busy) await sleep(20);
  assert.equal((await repository.manifest(transfer())).digest, image.digest);
});

test('what is under way ends when the engine does', { skip }, async () => {
  await using proxy = await FaultProxy.start(plain.host);
  const registries = openClient();
  const repository = repositoryOf(registries, `${proxy.host}/team/app:v1`);
  proxy.add({ kind: 'stall', at: 100_000, match: /blobs/ });
  const file = newFile();
  const stalled = Promise.withResolvers<void>();
  const onProgress = (current: number) => {
    if (current > 0) stalled.resolve();
  };
  const work = repository.download(image.blob, file, transfer({ onProgress }));
  work.catch(() => {});
  await stalled.promise;
  await registries[Symbol.asyncDispose]();
  await assert.rejects(work, refused('cancelled', /context canceled/));
  assert.ok(statSync(file).size > 0, 'what came stays');
  await assert.rejects(repository.manifest(transfer()), refused('unavailable', /shutting down/));
});
