import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pullError, refusalError, registryErrors } from './error-body.ts';

const body = (value: unknown) => Buffer.from(JSON.stringify(value));
const errors = (code: string, message: string) => body({ errors: [{ code, message, detail: {} }] });
const asked = { name: 'team/app', reference: 'team/app:v1' };
const pulled = (status: number, bytes: Uint8Array, authenticate?: string) => {
  const error = pullError(refusalError({ status, body: bytes, authenticate }), asked);
  return `${error.code}, ${error.retry}: ${error.message}`;
};

// Each text is what dockerd 20.10 prints for the same answer of a registry.
test('refusals of a pull are in the words of dockerd', () => {
  assert.equal(
    pulled(404, errors('MANIFEST_UNKNOWN', 'manifest unknown')),
    'not_found, never: manifest for team/app:v1 not found: manifest unknown: manifest unknown',
  );
  assert.equal(
    pulled(403, errors('DENIED', 'requested access to the resource is denied')),
    "not_found, never: pull access denied for team/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
  );
  assert.equal(
    pulled(404, errors('NAME_UNKNOWN', 'repository name not known to registry')),
    'not_found, never: repository team/app not found: name unknown: repository name not known to registry',
  );
  assert.equal(
    pulled(401, errors('UNAUTHORIZED', 'authentication required')),
    'unauthorized, never: unauthorized: authentication required',
  );
  assert.equal(
    pulled(429, errors('TOOMANYREQUESTS', 'You have reached your pull rate limit')),
    'unavailable, always: toomanyrequests: You have reached your pull rate limit',
  );
  for (const bytes of [errors('UNKNOWN', 'boom'), Buffer.from('<html>')]) {
    assert.equal(
      pulled(502, bytes),
      'unavailable, always: received unexpected HTTP status: 502 Bad Gateway',
    );
  }
});

test('the header of a bearer challenge says what a body without JSON does not', () => {
  assert.equal(
    pulled(401, Buffer.from(''), 'Bearer realm="x",error="insufficient_scope"'),
    "not_found, never: pull access denied for team/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
  );
  assert.equal(
    pulled(
      401,
      errors('UNAUTHORIZED', 'authentication required'),
      'Bearer error="insufficient_scope"',
    ),
    "not_found, never: pull access denied for team/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    'the first of two is told',
  );
  assert.equal(
    pulled(401, Buffer.from(''), 'Bearer error="invalid_token",error_description="too old"'),
    'unauthorized, never: unauthorized: too old',
  );
});

test("the form of Docker Hub's token server is read too", () => {
  assert.equal(
    pulled(401, body({ details: 'incorrect username or password' })),
    'unauthorized, never: unauthorized: incorrect username or password',
  );
});

test('several errors are a list; control characters and hostile shapes do no harm', () => {
  const many = body({ errors: [{ code: 'A_B', message: 'x\r\ny' }, { code: 'C' }, 7, null] });
  assert.equal(refusalError({ status: 400, body: many }).message, 'errors:\na b: x y\nc\n');
  for (const odd of [null, 7, [], { errors: {} }, { errors: [{}] }, { details: 7 }]) {
    assert.deepEqual(registryErrors({ status: 400, body: body(odd) }), []);
  }
  assert.equal(
    refusalError({ status: 418, body: body({}) }).message,
    "received unexpected HTTP status: 418 I'm a Teapot",
  );
});
