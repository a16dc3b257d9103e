import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { CHALLENGE_LENGTH_MAX, parseChallenges } from './challenge.ts';

const plain = (fields: string | readonly string[]) =>
  parseChallenges(fields).map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters.entries()),
  ]);

test('a Bearer challenge has realm, service and scope, with commas inside quotes', () => {
  assert.deepEqual(
    plain('Bearer realm="https://auth.x/token",service="reg",scope="repository:a/b:pull,push"'),
    [
      [
        'bearer',
        { realm: 'https://auth.x/token', service: 'reg', scope: 'repository:a/b:pull,push' },
      ],
    ],
  );
});

test('several challenges come in one field or in several', () => {
  const two = [
    ['basic', { realm: 'a' }],
    ['bearer', { realm: 'b', service: 'c' }],
  ];
  assert.deepEqual(plain('Basic realm="a", Bearer realm=b ,service = "c"'), two);
  assert.deepEqual(plain(['Basic realm="a"', 'Bearer realm=b,service=c']), two);
});

test('quotes may be escaped, names have any case, the first of a name counts', () => {
  assert.deepEqual(plain('BASIC Realm="a\\"b\\\\c", realm="other"'), [
    ['basic', { realm: 'a"b\\c' }],
  ]);
});

test('a challenge with base64 or with nothing is passed over for the next', () => {
  assert.deepEqual(plain('Negotiate YWJj==, NTLM, Basic realm="x"'), [
    ['negotiate', {}],
    ['ntlm', {}],
    ['basic', { realm: 'x' }],
  ]);
});

test('what is malformed ends the list and never hangs', () => {
  assert.deepEqual(plain(''), []);
  assert.deepEqual(plain('"'), []);
  assert.deepEqual(plain('Bearer realm="open'), [['bearer', {}]]);
  assert.deepEqual(plain('Bearer realm=(, x'), [['bearer', {}]]);
  assert.deepEqual(plain('Bearer __proto__="x"'), [['bearer', JSON.parse('{"__proto__":"x"}')]]);
  assert.deepEqual(parseChallenges(undefined), []);
});

test('a field longer than CHALLENGE_LENGTH_MAX is refused', () => {
  assert.throws(
    () => parseChallenges('x'.repeat(CHALLENGE_LENGTH_MAX + 1)),
    (error) => isEngineError(error, 'limit_exceeded'),
  );
});
