import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { openRegistries } from './open.ts';
import { parseResults, SEARCH_RESULTS_MAX } from './search.ts';

const parse = (value: unknown) => parseResults(Buffer.from(JSON.stringify(value)));

test('what is searched for is read, and nothing of a strange answer', () => {
  const item = { name: 'busybox', description: 'Base', star_count: 3, is_official: true, x: 1 };
  const found = { name: 'busybox', description: 'Base', stars: 3, official: true };
  assert.deepEqual(parse({ num_results: 1, results: [item] }), [found]);
  const nothing = { name: '', description: '', stars: 0, official: false };
  assert.deepEqual(parse({ results: [null, 7, { name: 5, star_count: 1.5, is_official: 'x' }] }), [
    nothing,
  ]);
  for (const strange of [{}, [], null, { results: 'x' }]) assert.deepEqual(parse(strange), []);
  assert.throws(() => parseResults(Buffer.from('<html>')), /not JSON/);
  const many = Array.from({ length: SEARCH_RESULTS_MAX + 1 }, () => item);
  assert.equal(parse({ results: many }).length, SEARCH_RESULTS_MAX);
});

test('a host before the term is asked, with the user and without a mirror', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? ''}`);
    if (request.url === '/v2/') response.end('{}');
    else if (request.url?.includes('q=none')) response.writeHead(404).end('404 page not found');
    else response.end(JSON.stringify({ results: [{ name: 'found', star_count: 2 }] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const registries = openRegistries({
    insecure: [],
    mirrors: { '*': ['http://127.0.0.1:1/'] },
    blocked: ['blocked.test'],
    certsDirectories: [],
    downloadsMax: 1,
    uploadsMax: 1,
    attemptsMax: 1,
    downloadRate: 0,
  });
  const signal = new AbortController().signal;
  const auth = {
    username: 'joe',
    password: 'p',
    identityToken: '',
    registryToken: '',
    serverAddress: host,
  };
  try {
    const found = await registries.search({ host, term: 'a b', limit: 7, auth }, { signal });
    assert.deepEqual(found, [{ name: 'found', description: '', stars: 2, official: false }]);
    assert.equal(asked.at(-1), '/v1/search?q=a+b&n=7 Basic am9lOnA=');
    await assert.rejects(
      registries.search({ host, term: 'none', limit: 1, auth: undefined }, { signal }),
      (error) => isEngineError(error, 'not_implemented') && /has no search/.test(error.message),
    );
    await assert.rejects(
      registries.search({ host: 'blocked.test', term: 'x', limit: 1, auth }, { signal }),
      (error) => isEngineError(error, 'forbidden'),
    );
  } finally {
    await registries[Symbol.asyncDispose]();
    server.close();
    server.closeAllConnections();
  }
});
