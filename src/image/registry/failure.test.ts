import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { requestFailure } from './failure.ts';
import { TransferError } from './retry.ts';

const url = new URL('https://reg.example/v2/?token=secret');
const failed = (code: string, more: object = {}, to = url) => {
  const error = requestFailure(Object.assign(new Error('x'), { code, ...more }), 'GET', to);
  assert.ok(error instanceof TransferError);
  return `${error.retry}: ${error.message}`;
};

// What Go prints for the same, and dockerd with it.
test('failures of connections have the words of Go, without a query that may be secret', () => {
  assert.equal(
    failed('ECONNREFUSED', { address: '10.0.0.1' }),
    'reached: Get "https://reg.example/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
  );
  assert.equal(
    failed('ECONNREFUSED', { address: '::1' }, new URL('http://[::1]:5000/v2/')),
    'reached: Get "http://[::1]:5000/v2/": dial tcp [::1]:5000: connect: connection refused',
  );
  assert.equal(
    failed('ENOTFOUND'),
    'reached: Get "https://reg.example/v2/": dial tcp: lookup reg.example: no such host',
  );
  assert.equal(
    failed('UND_ERR_CONNECT_TIMEOUT'),
    'reached: Get "https://reg.example/v2/": dial tcp reg.example:443: i/o timeout',
  );
  assert.equal(
    failed('SELF_SIGNED_CERT_IN_CHAIN'),
    'never: Get "https://reg.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
  );
  assert.equal(failed('ECONNRESET').split(': ')[0], 'always');
});

test('of several addresses the last is told, of a wrapped error the reason', () => {
  const refused = (address: string) =>
    Object.assign(new Error('x'), { code: 'ECONNREFUSED', address });
  const many = new AggregateError([refused('::1'), refused('127.0.0.1')]);
  assert.match(requestFailure(many, 'HEAD', url).message, /^Head .*dial tcp 127\.0\.0\.1:443:/);
  const wrapped = new Error('fetch failed', { cause: refused('10.0.0.1') });
  assert.match(requestFailure(wrapped, 'PUT', url).message, /^Put .*dial tcp 10\.0\.0\.1:443:/);
});

test('an error of ours stays as it is, and what is unknown keeps its text', () => {
  const ours = new EngineError('corrupt', 'mine');
  assert.equal(requestFailure(ours, 'GET', url), ours);
  assert.match(requestFailure(new Error('odd'), 'GET', url).message, /: odd$/);
});
