import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResults, SEARCH_RESULTS_MAX } from './search.ts';

const parse = (value: unknown) => parseResults(Buffer.from(JSON.stringify(value)));

test('what is searched for is read, and nothing of a strange answer', () => {
  const item = { name: 'busybox', description: 'Base', star_count: 3, is_official: true, x: 1 };
  const found = { name: 'busybox', description: 'Base', stars: 3, official: true };
  assert.deepEqual(parse({ num_results: 1, results: [item] }), [found]);
  const nothing = { name: '', description: '', stars: 0, official: false };
  assert.deepEqual(parse({ results: [null, 7, { name: 5, star_count: 1.5, is_official: 'x' }] }), [
    nothing,
  ]);
  for (const strange of [{}, [], null, { results: 'x' }]) assert.deepEqual(parse(strange), []);
  assert.throws(() => parseResults(Buffer.from('<html>')), /not JSON/);
  const many = Array.from({ length: SEARCH_RESULTS_MAX + 1 }, () => item);
  assert.equal(parse({ results: many }).length, SEARCH_RESULTS_MAX);
});
