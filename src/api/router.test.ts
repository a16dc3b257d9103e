import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Router } from './router.ts';
import { ROUTES } from './routes.ts';

const router = new Router(ROUTES);
const find = (method: string, path: string): unknown => {
  const match = router.find(method, path);
  return match === undefined ? undefined : [match.route.path, match.params];
};

test('names of images may hold slashes', () => {
  assert.deepEqual(find('GET', '/images/localhost:5000/a/b:c/json'), [
    '/images/{name:.*}/json',
    { name: 'localhost:5000/a/b:c' },
  ]);
  assert.deepEqual(find('DELETE', '/images/a/b'), ['/images/{name:.*}', { name: 'a/b' }]);
});

test('a literal path wins over a captured one', () => {
  assert.deepEqual(find('GET', '/images/json'), ['/images/json', {}]);
  assert.deepEqual(find('POST', '/containers/create'), ['/containers/create', {}]);
  assert.deepEqual(find('GET', '/plugins/privileges'), ['/plugins/privileges', {}]);
});

test("inspect's own spelling of a name is found", () => {
  assert.deepEqual(find('GET', '/containers//web/json'), [
    '/containers/{id:.*}/json',
    { id: '/web' },
  ]);
});

test('the method counts, and there are no prefix matches', () => {
  assert.equal(find('PUT', '/info'), undefined);
  assert.equal(find('GET', '/infox'), undefined);
  assert.equal(find('GET', '/info/'), undefined);
  assert.equal(find('GET', ''), undefined);
});

test('no two routes are the same', () => {
  const keys = ROUTES.map(({ method, path }) => `${method} ${path}`);
  assert.equal(new Set(keys).size, keys.length);
});
