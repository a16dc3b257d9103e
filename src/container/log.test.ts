import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLogConfig } from './log-config.ts';
import { checkLog, planLog } from './log-plan.ts';
import type { ContainerRecord } from './record.ts';
import { plainRecord } from './testing-record.ts';

const NONE = { type: 'json-file', config: {} };
const SETTINGS = { logConfig: NONE, hostHostname: 'harbour' };
const PLAIN = plainRecord('a', { status: 'created' });

function withLog(type: string, config: Readonly<Record<string, string>> = {}): ContainerRecord {
  const { spec, merged } = PLAIN;
  return {
    ...PLAIN,
    merged: { ...merged, labels: { a: '1', 'b.c': '2' }, env: ['PATH=/bin', 'HOME=/root'] },
    spec: { ...spec, host: { ...spec.host, logConfig: { type, config } } },
  };
}

function forward(type: string, config: Readonly<Record<string, string>>) {
  const plan = planLog(withLog(type, config), SETTINGS, '/log');
  return plan.driver === 'none' ? undefined : plan.forward;
}

test('a file has the limits that its driver says, or Docker for the ones that keep a cache', () => {
  const file = (type: string, config: Readonly<Record<string, string>> = {}) =>
    parseLogConfig({ type, config }, NONE).file;
  assert.deepEqual(file('json-file'), { maxBytes: 0, maxFiles: 1 });
  assert.deepEqual(file('json-file', { 'max-size': '1m', 'max-file': '3' }), {
    maxBytes: 1024 * 1024,
    maxFiles: 3,
  });
  assert.deepEqual(file('local'), { maxBytes: 20 * 1024 * 1024, maxFiles: 5 });
  assert.deepEqual(file('syslog'), { maxBytes: 20 * 1024 * 1024, maxFiles: 5 });
  assert.deepEqual(file('syslog', { 'cache-disabled': 'true' }), { maxBytes: 0, maxFiles: 0 });
  assert.deepEqual(file('none'), { maxBytes: 0, maxFiles: 0 });
});

test('options of another driver, and values that mean nothing, are refused', () => {
  const refused: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ['gelf', {}, /no log driver named 'gelf' is registered/],
    ['json-file', { 'syslog-address': 'x' }, /unknown log opt 'syslog-address' for json-file/],
    ['local', { tag: 'x' }, /unknown log opt 'tag' for local log driver/],
    ['json-file', { 'max-file': '0' }, /invalid value for max-file: 0/],
    ['json-file', { compress: 'true' }, /compress cannot be true when max-file is less than 2/],
    ['json-file', { mode: 'fast' }, /logging mode not supported: fast/],
    ['json-file', { 'max-buffer-size': '1m' }, /only supported with 'mode=non-blocking'/],
  ];
  for (const [type, config, message] of refused) {
    assert.throws(() => parseLogConfig({ type, config }, NONE), message);
  }
});

test('each form of syslog has its own frame around a line', () => {
  const to = { 'syslog-address': 'udp://127.0.0.1:1514', tag: '{{.Name}}/{{.ID}}\n' };
  const { id, name } = PLAIN;
  const tag = `${name}/${id.slice(0, 12)} `;
  assert.deepEqual(forward('syslog', to), {
    transport: 'udp',
    address: '127.0.0.1',
    port: 1514,
    time: 'stamp',
    head: { stdout: '<30>', stderr: '<27>' },
    tail: ` ${tag}[${process.pid}]: `,
  });
  const host = SETTINGS.hostHostname;
  const micro = forward('syslog', {
    ...to,
    'syslog-format': 'rfc5424micro',
    'syslog-facility': 'local7',
  });
  assert.equal(micro?.time, 'micro');
  assert.deepEqual(micro?.head, { stdout: '<190>1 ', stderr: '<187>1 ' });
  assert.equal(micro?.tail, ` ${host} ${tag} ${process.pid} ${tag} - `);
  const old = forward('syslog', { ...to, 'syslog-format': 'rfc3164', 'syslog-facility': '0' });
  assert.deepEqual(old?.head, { stdout: '<6>', stderr: '<3>' });
  assert.equal(old?.tail, ` ${host} ${tag}[${process.pid}]: `);
});

test('places that cannot be written to are refused when the container is made', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['127.0.0.1:514', /should be in form proto:\/\/address/],
    ['http://127.0.0.1', /unsupported scheme: 'http'/],
    ['tcp+tls://127.0.0.1', /tcp\+tls is not supported/],
    ['udp://logs.example.com', /"logs.example.com" is no IP address/],
    ['udp://127.0.0.1:99999', /invalid port/],
    ['unix://relative', /no absolute path/],
  ];
  for (const [address, message] of refused) {
    assert.throws(
      () => checkLog(withLog('syslog', { 'syslog-address': address }), SETTINGS),
      message,
    );
  }
  for (const [option, value, message] of [
    ['syslog-facility', 'kitchen', /invalid syslog facility/],
    ['syslog-format', 'rfc1', /Invalid syslog format/],
    ['tag', '{{.Nope}}', /failed to parse log tag: \{\{\.Nope\}\} is none of/],
    ['labels-regex', '(', /error parsing regexp: \(/],
  ] as const) {
    const config = { 'syslog-address': 'udp://[::1]:514', [option]: value };
    const type = option === 'labels-regex' ? 'json-file' : 'syslog';
    const own = type === 'json-file' ? { [option]: value } : config;
    assert.throws(() => checkLog(withLog(type, own), SETTINGS), message);
  }
});

test('labels and variables that are asked for go with each line of the file', () => {
  const config = { labels: 'a', 'env-regex': '^HO', tag: '{{.ImageName}}' };
  const plan = planLog(withLog('json-file', config), SETTINGS, '/log');
  assert.ok(plan.driver === 'json-file');
  assert.deepEqual(JSON.parse(plan.attributes ?? ''), {
    tag: PLAIN.image.name,
    a: '1',
    HOME: '/root',
  });
});
