import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import type { Challenge } from './challenge.ts';
import type { RegistryAuth } from './registry.ts';
import { parseToken, realmOf, tokenRequest } from './token.ts';

const challenge = (realm: string): Challenge => ({
  scheme: 'bearer',
  parameters: new Map([['realm', realm]]),
});
const nobody: RegistryAuth = {
  username: '',
  password: '',
  identityToken: '',
  registryToken: '',
  serverAddress: '',
};
const realm = new URL('https://auth.example/token?tenant=x');
const scopes = ['repository:a/b:pull', 'repository:c:pull'];
const wish = { realm, service: 'reg', scopes, offline: false };

test('a token is asked for with all scopes, and with Basic where there is a user', () => {
  const open = tokenRequest({ ...wish, auth: undefined });
  assert.equal(
    decodeURIComponent(open.url.search),
    '?tenant=x&service=reg&scope=repository:a/b:pull&scope=repository:c:pull',
  );
  assert.deepEqual(open.headers, {});
  const auth = { ...nobody, username: 'ann', password: 'a:b' };
  const known = tokenRequest({ ...wish, auth, offline: true });
  assert.equal(known.url.searchParams.get('account'), 'ann');
  assert.equal(known.url.searchParams.get('offline_token'), 'true');
  assert.deepEqual(known.headers, {
    authorization: `Basic ${Buffer.from('ann:a:b').toString('base64')}`,
  });
});

test('an identity token goes into the body of a POST, never into a URL', () => {
  const auth = { ...nobody, username: 'ann', identityToken: 'refresh+me' };
  const request = tokenRequest({ ...wish, auth });
  assert.equal(request.method, 'POST');
  assert.equal(request.url.href, realm.href);
  const form = new URLSearchParams(String(request.body));
  assert.equal(form.get('refresh_token'), 'refresh+me');
  assert.equal(form.get('scope'), scopes.join(' '));
});

test('a token server must be a plain URL, with TLS where the registry has it', () => {
  assert.equal(realmOf(challenge('http://a/t'), 'http://reg').href, 'http://a/t');
  for (const bad of ['', 'token', 'ftp://a/', 'https://u:p@a/', 'http://a/t']) {
    assert.throws(
      () => realmOf(challenge(bad), 'https://reg'),
      (error) =>
        isEngineError(error, 'unauthorized') && /no usable token server/.test(error.message),
    );
  }
});

test('a token has one of two names, and lives for a minute at least', () => {
  const parse = (value: unknown) => parseToken(Buffer.from(JSON.stringify(value)), 1000);
  assert.deepEqual(parse({ token: 'abc', expires_in: 5, refresh_token: 'r' }), {
    value: 'abc',
    expiresAtMs: 61_000,
    refresh: 'r',
  });
  assert.deepEqual(parse({ access_token: 'abc', expires_in: 300 }), {
    value: 'abc',
    expiresAtMs: 301_000,
    refresh: '',
  });
  assert.equal(parse({ token: 'a', expires_in: 1e300 }).expiresAtMs, 86_401_000);
  for (const odd of [{}, null, 7, { token: '' }, { token: 7 }, { token: 'a\r\nX-Evil: 1' }]) {
    assert.throws(() => parse(odd), /the token server's answer is wrong/);
  }
  assert.throws(() => parseToken(Buffer.from('<html>'), 0), /it is not JSON/);
});
