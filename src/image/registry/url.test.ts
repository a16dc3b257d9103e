import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSources, upstreamOf } from './endpoint.ts';
import {
  blobUrl,
  finishUrl,
  manifestUrl,
  nextPage,
  pingUrl,
  resolveLocation,
  scopeOf,
  shownUrl,
  tagsUrl,
  uploadUrl,
} from './url.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const source = upstreamOf('[::1]:5000', []);
const place = { source, origin: 'https://[::1]:5000', path: 'team/app' };

test('paths are those of the registry API', () => {
  assert.equal(pingUrl(place.origin).href, 'https://[::1]:5000/v2/');
  assert.equal(manifestUrl(place, 'v1').href, 'https://[::1]:5000/v2/team/app/manifests/v1');
  assert.equal(blobUrl(place, digest).href, `https://[::1]:5000/v2/team/app/blobs/${digest}`);
  assert.equal(uploadUrl(place).href, 'https://[::1]:5000/v2/team/app/blobs/uploads/');
  assert.equal(
    uploadUrl(place, { digest, from: 'other/x' }).search,
    `?mount=sha256%3A${'a'.repeat(64)}&from=other%2Fx`,
  );
});

test('a mirror is told whose repository is meant, below its own path', () => {
  const mirrors = { '*': ['https://m.example/hub'] };
  const [mirror] = readSources('quay.io', { insecure: [], mirrors });
  const url = manifestUrl({ source: mirror!, origin: 'https://m.example', path: 'team/app' }, 'v1');
  assert.equal(url.href, 'https://m.example/v2/hub/team/app/manifests/v1?ns=quay.io');
});

test('the place of an upload may be relative, and keeps its query', () => {
  const from = new URL('https://r.example/v2/a/blobs/uploads/');
  const location = resolveLocation(from, '/v2/a/blobs/uploads/1?_state=x%2By');
  assert.equal(location.href, 'https://r.example/v2/a/blobs/uploads/1?_state=x%2By');
  assert.equal(finishUrl(location, digest).searchParams.get('_state'), 'x+y');
  assert.equal(finishUrl(location, digest).searchParams.get('digest'), digest);
});

test('what leads to other schemes, from https to http, or has a user name is refused', () => {
  const from = new URL('https://r.example/v2/');
  for (const location of [
    undefined,
    '',
    'http://other.example/x',
    'file:///etc/passwd',
    'https://u:p@r.example/',
    'https://[',
  ]) {
    assert.throws(() => resolveLocation(from, location), /sends us to a wrong place/);
  }
  const plain = resolveLocation(new URL('http://a/x'), 'http://b/y#z');
  assert.equal(plain.href, 'http://b/y');
  const same = resolveLocation(from, 'http://r.example/v2/a/blobs/uploads/1');
  assert.equal(same.href, 'https://r.example/v2/a/blobs/uploads/1', 'the same host keeps TLS');
});

test('scopes name the repository and what is done; shown URLs have no query', () => {
  assert.equal(scopeOf('a/b', 'pull'), 'repository:a/b:pull');
  assert.equal(scopeOf('a/b', 'push'), 'repository:a/b:pull,push');
  assert.equal(shownUrl(new URL('https://cdn.example/x?signature=s')), 'https://cdn.example/x');
});

test('the next page of a list is where its Link says', () => {
  const from = tagsUrl(place);
  const link = '</v2/team/app/tags/list?last=b&n=2>; rel="next"';
  assert.equal(nextPage(from, link)?.href, 'https://[::1]:5000/v2/team/app/tags/list?last=b&n=2');
  for (const other of [undefined, '', '<x>; rel="prev"', 'next']) {
    assert.equal(nextPage(from, other), undefined);
  }
});
