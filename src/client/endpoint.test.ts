import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointText, hostText, parseEndpoint } from './endpoint.ts';
import { environmentHost, environmentTls } from './environment.ts';

test('an endpoint is read as it is written', () => {
  for (const text of ['unix:///run/x.sock', 'tcp://host:1', 'tcp://[::1]:2375']) {
    const endpoint = parseEndpoint(text);
    assert.ok(endpoint !== undefined, text);
    assert.equal(endpointText(endpoint), text);
  }
  assert.equal(hostText({ kind: 'tcp', host: '::1', port: 80 }), '[::1]:80');
});

test('the port is 2375, and 2376 with TLS', () => {
  assert.deepEqual(parseEndpoint('tcp://host'), { kind: 'tcp', host: 'host', port: 2375 });
  const tls = { verify: true };
  assert.deepEqual(parseEndpoint('tcp://host', tls), {
    kind: 'tcp',
    host: 'host',
    port: 2376,
    tls,
  });
});

test('what is no endpoint is none', () => {
  for (const text of ['', 'host', 'unix://', 'tcp://', 'tcp://a:99999', 'tcp://a b', 'npipe://x']) {
    assert.equal(parseEndpoint(text), undefined, text);
  }
});

test('our variable comes before Docker’s, and Docker’s before the socket', () => {
  const both = { CORACLE_HOST: 'unix:///a', DOCKER_HOST: 'unix:///b' };
  assert.equal(environmentHost(both), 'unix:///a');
  assert.equal(environmentHost({ DOCKER_HOST: 'unix:///b' }), 'unix:///b');
  assert.equal(environmentHost({ CORACLE_HOST: '' }), 'unix:///run/coracle/coracle.sock');
});

test('TLS is asked for by any text in DOCKER_TLS_VERIFY; files that are not there are not sent', () => {
  assert.equal(environmentTls({ DOCKER_TLS_VERIFY: '' }), undefined);
  const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/does/not/exist' };
  assert.deepEqual(environmentTls(env), { verify: true });
});
