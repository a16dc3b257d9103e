import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import {
  domainOfServer,
  isBlocked,
  isInsecure,
  readSources,
  refuseBlocked,
  upstreamOf,
} from './endpoint.ts';

const origins = (domain: string, insecure: readonly string[] = []) =>
  upstreamOf(domain, insecure).candidates.map(({ origin, verify }) => `${origin} ${verify}`);

test('docker.io is at registry-1.docker.io, others where their name says, with TLS', () => {
  assert.deepEqual(origins('docker.io'), ['https://registry-1.docker.io true']);
  assert.deepEqual(origins('quay.io'), ['https://quay.io true']);
  assert.deepEqual(origins('reg.example.com:5000'), ['https://reg.example.com:5000 true']);
  assert.deepEqual(origins('[2001:db8::1]:5000'), ['https://[2001:db8::1]:5000 true']);
});

test('loopback and insecure registries are tried without verification, then without TLS', () => {
  const both = (host: string) => [`https://${host} false`, `http://${host} false`];
  for (const host of ['localhost', 'localhost:5000', '127.9.9.9:1', '[::1]:5000', '[::1]']) {
    assert.deepEqual(origins(host), both(host));
  }
  assert.deepEqual(origins('reg:5000', ['reg:5000']), both('reg:5000'));
  assert.deepEqual(origins('10.1.2.3:99', ['10.0.0.0/8']), both('10.1.2.3:99'));
  assert.deepEqual(origins('[fd00::5]:99', ['fd00::/8']), both('[fd00::5]:99'));
});

test('a registry is insecure only if its own name, port or address is configured', () => {
  for (const host of ['reg', 'reg:5001', 'reg.localhost', '128.0.0.1', '[::2]', '127.0.0.1.nip.io'])
    assert.equal(isInsecure(host, ['reg:5000', '10.0.0.0/8']), false, host);
});

test('mirrors come first and the registry itself last; "*" is for what has none of its own', () => {
  const mirrors = {
    'docker.io': ['https://one.example', 'http://two.example:5000/hub/'],
    '*': ['https://any.example/'],
  };
  const shown = (domain: string) =>
    readSources(domain, { insecure: [], mirrors }).map(
      ({ candidates, prefix, mirrorOf }) => `${candidates[0]?.origin} ${prefix} ${mirrorOf}`,
    );
  assert.deepEqual(shown('docker.io'), [
    'https://one.example  docker.io',
    'http://two.example:5000 hub/ docker.io',
    'https://registry-1.docker.io  undefined',
  ]);
  assert.deepEqual(shown('quay.io'), [
    'https://any.example  quay.io',
    'https://quay.io  undefined',
  ]);
  assert.equal(readSources('constructor', { insecure: [], mirrors: {} }).length, 1);
});

test('blocked registries are known by name, port or what is above them', () => {
  assert.ok(isBlocked('docker.io', ['docker.io']));
  assert.ok(isBlocked('registry-1.docker.io', ['docker.io']));
  assert.ok(isBlocked('docker.io', ['index.docker.io']));
  assert.ok(isBlocked('a.b.example.com:5000', ['*.example.com']));
  assert.ok(isBlocked('EXAMPLE.com:5000', ['example.com']));
  assert.ok(isBlocked('example.com:5000', ['example.com:5000']));
  assert.ok(!isBlocked('example.com:5001', ['example.com:5000']));
  assert.ok(!isBlocked('example.com', ['*.example.com']));
  assert.ok(!isBlocked('notexample.com', ['*.example.com', 'example.com']));
  assert.throws(
    () => refuseBlocked('docker.io', ['docker.io']),
    (error) => isEngineError(error, 'forbidden') && /docker\.io is blocked/.test(error.message),
  );
});

test('the server of a login is a host, with Docker Hub by all its names', () => {
  for (const server of ['', 'https://index.docker.io/v1/', 'docker.io', 'registry-1.docker.io'])
    assert.equal(domainOfServer(server), 'docker.io');
  assert.equal(domainOfServer('http://127.0.0.1:5000/v2/'), '127.0.0.1:5000');
  assert.equal(domainOfServer('[::1]:5000'), '[::1]:5000');
  for (const server of ['a b', 'u:p@host', 'host?x', 'host:port'])
    assert.throws(() => domainOfServer(server), /invalid registry address/);
});
