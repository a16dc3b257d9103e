import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor } from './proxy.ts';

const chosen = (url: string, environment: Record<string, string>) =>
  proxyFor(new URL(url), environment)?.href;
const both = { HTTP_PROXY: 'http://plain:3128', https_proxy: 'https://u:p@secure:3129' };

test('each scheme has its proxy, by a variable in upper or lower case', () => {
  assert.equal(chosen('http://reg.example/v2/', both), 'http://plain:3128/');
  assert.equal(chosen('https://reg.example/v2/', both), 'https://u:p@secure:3129/');
  assert.equal(chosen('https://reg.example/', { HTTP_PROXY: 'http://x' }), undefined);
  assert.equal(chosen('http://reg.example/', { HTTP_PROXY: 'plain:3128' }), 'http://plain:3128/');
  assert.equal(chosen('http://reg.example/', { HTTP_PROXY: 'socks5://s:1' }), 'socks5://s:1');
});

test('loopback never takes a proxy', () => {
  for (const host of ['localhost:5000', '127.0.0.1', '127.3.3.3:5000', '[::1]:5000'])
    assert.equal(chosen(`http://${host}/`, both), undefined);
});

test('NO_PROXY has names with all below, ports, addresses, CIDRs and "*"', () => {
  const direct = (url: string, NO_PROXY: string) =>
    chosen(url, { ...both, NO_PROXY }) === undefined;
  assert.ok(direct('http://example.com/', 'other.com, example.com'));
  assert.ok(direct('http://a.example.com/', 'example.com'));
  assert.ok(direct('http://a.example.com/', '.example.com'));
  assert.ok(direct('http://a.example.com/', '*.example.com'));
  assert.ok(!direct('http://example.com/', '.example.com'));
  assert.ok(!direct('http://notexample.com/', 'example.com'));
  assert.ok(direct('http://example.com:5000/', 'example.com:5000'));
  assert.ok(!direct('http://example.com:5001/', 'example.com:5000'));
  assert.ok(direct('https://example.com/', 'example.com:443'));
  assert.ok(direct('http://10.1.2.3:99/', '10.0.0.0/8'));
  assert.ok(direct('http://[fd00::1]:99/', 'fd00::1'));
  assert.ok(direct('http://[fd00::1]:99/', 'fd00::/8'));
  assert.ok(direct('http://[fd00::1]:99/', 'FD00:0::1'));
  assert.ok(direct('http://[fd00::1]:99/', '[fd00:0::1]:99'));
  assert.ok(!direct('http://[fd00::1]:99/', '[fd00::1]:98'));
  assert.ok(direct('http://10.1.2.3:99/', '10.1.2.3:99'));
  assert.ok(!direct('http://10.1.2.3/', '10.1.2.3:99'));
  assert.ok(!direct('http://10.1.2.3/', '2.3'));
  assert.ok(direct('http://EXAMPLE.com/', 'Example.COM'));
  assert.ok(!direct('http://11.1.2.3/', '10.0.0.0/8'));
  assert.ok(direct('http://anything/', '*'));
});

test('a proxy that is no URL is refused without its text, which may have a password', () => {
  assert.throws(
    () => chosen('http://x.example/', { HTTP_PROXY: 'ftp://u:secret@x' }),
    (error: Error) => /HTTP_PROXY/.test(error.message) && !/secret/.test(error.message),
  );
});
