import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeConfig, parseConfigFile } from './config.ts';
import { parseFlags } from './flags.ts';

function registryOf(argv: readonly string[], file = '') {
  const flags = parseFlags(argv);
  return makeConfig(flags, parseConfigFile(file, flags)).registry;
}

test('without a word there are the numbers of dockerd, no mirrors, and both folders', () => {
  assert.deepEqual(registryOf([]), {
    insecure: [],
    mirrors: {},
    blocked: [],
    certsDirectories: ['/etc/coracle/certs.d', '/etc/docker/certs.d'],
    downloadsMax: 3,
    uploadsMax: 5,
    attemptsMax: 5,
    downloadRate: 0,
  });
});

test('a mirror is for Docker Hub, for the host before the sign, or for every one', () => {
  const argv = [
    'https://m.example',
    'ghcr.io=http://10.0.0.1:5000/cache',
    '*=https://all.example/',
  ];
  assert.deepEqual(registryOf(argv.map((each) => `--registry-mirror=${each}`)).mirrors, {
    'docker.io': ['https://m.example/'],
    'ghcr.io': ['http://10.0.0.1:5000/cache/'],
    '*': ['https://all.example/'],
  });
  const file = '{"registry-mirrors": ["index.docker.io=https://a.example", "https://b.example"]}';
  assert.deepEqual(registryOf([], file).mirrors, {
    'docker.io': ['https://a.example/', 'https://b.example/'],
  });
});

test('what is no mirror is refused in the words of dockerd', () => {
  const refused = (mirror: string, message: string | RegExp): void =>
    assert.throws(() => registryOf(['--registry-mirror', mirror]), { message });
  refused(
    'm.example',
    "invalid mirror: no scheme specified for \"m.example\": must use either 'https://' or 'http://'",
  );
  refused('ftp://m.example', /^invalid mirror: unsupported scheme "ftp" in "ftp:\/\/m.example"/);
  refused('https://u:p@m.example', 'invalid mirror: username/password not allowed in URI');
  refused('https://m.example/?a=b', /query or fragment at end of the URI/);
  refused('a b=https://m.example', /"a b" is no registry/);
});

test('insecure registries are hosts and ranges, nothing else', () => {
  const argv = ['--insecure-registry', 'Reg.Test:5000', '--insecure-registry', '10.0.0.0/8'];
  assert.deepEqual(registryOf(argv).insecure, ['reg.test:5000', '10.0.0.0/8']);
  const refused = (text: string, message: RegExp): void =>
    assert.throws(() => registryOf([], JSON.stringify({ 'insecure-registries': [text] })), {
      message,
    });
  refused('http://reg.test', /should not contain ':\/\/'/);
  refused('10.0.0.0/99', /is not valid/);
  refused('reg.test:99999', /is not valid: invalid host/);
});

test('numbers, the rate and blocked registries are read from flags and from the file', () => {
  const file = JSON.stringify({
    'max-concurrent-downloads': 7,
    'max-concurrent-uploads': 0,
    'download-rate': '10mb',
    'block-registries': ['*.example', 'registry-1.docker.io'],
    'certs-dir': '/etc/other',
  });
  const config = registryOf(['--max-download-attempts', '2'], file);
  assert.equal(config.downloadsMax, 7);
  assert.equal(config.uploadsMax, 5);
  assert.equal(config.attemptsMax, 2);
  assert.equal(config.downloadRate, 10 * 1024 * 1024);
  assert.deepEqual(config.blocked, ['*.example', 'docker.io']);
  assert.deepEqual(config.certsDirectories, ['/etc/other']);
  assert.throws(() => registryOf(['--max-concurrent-uploads', '-1']), {
    message: 'invalid max concurrent uploads: -1 is not 1 to 100',
  });
  assert.throws(() => registryOf(['--download-rate', 'fast']), /it is bytes a second/);
});
