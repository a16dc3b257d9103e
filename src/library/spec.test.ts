import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterText, momentText } from './call.ts';
import { createBody } from './spec.ts';

test('what nobody asked for is not in the body', () => {
  assert.deepEqual(createBody('busybox', {}), { Image: 'busybox', HostConfig: {} });
});

test('the usual wishes become fields of the Engine API', () => {
  const body = createBody('busybox', {
    command: ['sh', '-c', 'true'],
    entrypoint: '/init',
    env: { A: '1', B: '' },
    ports: { 80: 8080, '53/udp': '[::1]:5353', 443: 0 },
    network: 'shop',
    aliases: ['web'],
    cpus: 0.5,
    restart: 'always',
    stdin: true,
  });
  assert.deepEqual(body, {
    Image: 'busybox',
    Cmd: ['sh', '-c', 'true'],
    Entrypoint: ['/init'],
    Env: ['A=1', 'B='],
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    ExposedPorts: { '80/tcp': {}, '443/tcp': {}, '53/udp': {} },
    NetworkingConfig: { EndpointsConfig: { shop: { Aliases: ['web'] } } },
    HostConfig: {
      PortBindings: {
        '80/tcp': [{ HostIp: '', HostPort: '8080' }],
        '443/tcp': [{ HostIp: '', HostPort: '' }],
        '53/udp': [{ HostIp: '::1', HostPort: '5353' }],
      },
      NetworkMode: 'shop',
      NanoCpus: 500_000_000,
      RestartPolicy: { Name: 'always', MaximumRetryCount: 0 },
    },
  });
});

test('what is said in the words of the API wins, and leaves the other wishes alone', () => {
  const body = createBody('busybox', {
    user: 'a',
    memory: 1,
    privileged: true,
    body: { User: 'b', HostConfig: { Memory: 2 } },
  });
  assert.equal(body.User, 'b');
  assert.deepEqual(body.HostConfig, { Memory: 2, Privileged: true });
});

test('filters are lists, and none is no text', () => {
  assert.equal(filterText(undefined), undefined);
  assert.equal(filterText({}), undefined);
  const text = filterText({ label: ['a=b', 'c'], status: 'running' });
  assert.equal(text, '{"label":["a=b","c"],"status":["running"]}');
});

test('a moment is seconds', () => {
  assert.equal(momentText(new Date(1_500)), '1.500');
  assert.equal(momentText('10m'), '10m');
  assert.equal(momentText(7), '7');
});
