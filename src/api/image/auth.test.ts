import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { registryAuth } from './auth.ts';

const NOBODY = {
  username: '',
  password: '',
  identityToken: '',
  registryToken: '',
  serverAddress: '',
};

const read = (header: string | undefined) =>
  registryAuth({ headers: { 'x-registry-auth': header } } as unknown as IncomingMessage);

test('credentials come as base64 of either alphabet, padded or not', () => {
  const auth = { username: 'jo?e>', password: 'p~~~', serveraddress: 'reg.test' };
  const expected = { ...NOBODY, username: 'jo?e>', password: 'p~~~', serverAddress: 'reg.test' };
  const bytes = Buffer.from(JSON.stringify(auth));
  assert.deepEqual(read(bytes.toString('base64')), expected);
  assert.deepEqual(read(bytes.toString('base64url')), expected);
  assert.deepEqual(read('e30='), NOBODY);
  const tokens = { identitytoken: 'id', registrytoken: 'bearer' };
  assert.deepEqual(read(Buffer.from(JSON.stringify(tokens)).toString('base64url')), {
    ...NOBODY,
    identityToken: 'id',
    registryToken: 'bearer',
  });
  const old = { auth: Buffer.from('joe:se:cret').toString('base64') };
  assert.deepEqual(read(Buffer.from(JSON.stringify(old)).toString('base64')), {
    ...NOBODY,
    username: 'joe',
    password: 'se:cret',
  });
});

test('what cannot be read is as if it were not there, as with dockerd', () => {
  const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
  for (const header of [undefined, '', '!!!', json([1]), json({ username: 5 }), json('x')]) {
    assert.equal(read(header), undefined);
  }
});
