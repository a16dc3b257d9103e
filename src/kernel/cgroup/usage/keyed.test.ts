import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedFile, parseKeyed } from './keyed.ts';

test('a file that is read again has the values of now, whatever its lines become', () => {
  const file = new KeyedFile();
  const texts = [
    'cache 1\nrss 2\nlimit 9223372036854771712\n',
    'cache 30\nrss 0\nlimit 9007199254740993\n',
    'cache 4\nrss 5\n',
    'cache 4\nrss_huge 6\n',
    'cached 4\nrss 6\n',
    'cache 4\nrss 7\nlimit max\n',
    'cache 4\nrss 7\nlimit 8\nmore 9\n',
    'cache 4\nrss -7\nlimit 8\nmore 9\n',
    'cache 4\nrss 7.5\nlimit 8\nmore 9',
    '',
    'cache 1\n',
  ];
  for (const text of [...texts, ...texts.toReversed()]) {
    assert.deepEqual(file.parse(text), parseKeyed(text), text);
    assert.deepEqual(file.parse(text), parseKeyed(text), text);
  }
});

test('one reading is not changed by the next', () => {
  const file = new KeyedFile();
  const first = file.parse('cache 1\n');
  file.parse('cache 2\n');
  assert.deepEqual(first, { cache: 1 });
});
