import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fields, LIST_ENTRIES_MAX, STRING_BYTES_MAX } from './decode.ts';
import { parseJson } from './json.ts';

const from = (text: string): Fields => new Fields('T', parseJson(text));
const invalid = (message: string) => ({ code: 'invalid_argument', message });

test('keys match whatever their case, unknown ones are ignored, null is absent', () => {
  const fields = from('{"IMAGE":"a","tty":true,"Nonsense":{"x":1},"Memory":null}');
  assert.equal(fields.string('Image'), 'a');
  assert.equal(fields.bool('Tty'), true);
  assert.equal(fields.optionalInt('Memory'), undefined);
  assert.equal(fields.int('Memory'), 0);
});

test('a wrong type is an error in the words of Go', () => {
  const field = (of: string, kind: string) =>
    invalid(`invalid JSON: json: cannot unmarshal ${of} into Go struct field T.X of type ${kind}`);
  assert.throws(() => from('{"X":1}').string('X'), field('number', 'string'));
  assert.throws(() => from('{"X":"1"}').int('X'), field('string', 'int64'));
  assert.throws(() => from('{"X":1.5}').int('X'), field('number 1.5', 'int64'));
  assert.throws(() => from('{"X":1e30}').int('X'), field('number', 'int64'));
  assert.throws(() => from('{"X":"yes"}').bool('X'), field('string', 'bool'));
  assert.throws(() => from('{"X":"a"}').strings('X'), field('string', '[]string'));
  assert.throws(() => from('{"X":[[]]}').strings('X'), field('array', 'string'));
  assert.throws(() => from('{"X":[]}').object('X'), field('array', 'struct'));
  assert.throws(() => from('{"X":[1]}').objects('X'), field('number', 'struct'));
  assert.throws(() => from('{"X":[]}').stringMap('X'), field('array', 'map[string]string'));
  assert.throws(
    () => from('[]'),
    invalid('invalid JSON: json: cannot unmarshal array into Go value of type T'),
  );
});

test('an integer that a number cannot hold is refused, not rounded', () => {
  assert.equal(from('{"X":9007199254740991}').int('X'), 9_007_199_254_740_991);
  assert.throws(
    () => from('{"X":9007199254740993}').int('X'),
    /9007199254740993 of T\.X cannot be kept/,
  );
  assert.throws(() => from('{"X":9223372036854775807}').int('X'), { code: 'invalid_argument' });
});

test('no key reaches Object.prototype', () => {
  const map = from('{"X":{"__proto__":"p","constructor":"c"}}').stringMap('X');
  assert.deepEqual(Object.keys(map), ['__proto__', 'constructor']);
  assert.deepEqual(Object.values(map), ['p', 'c']);
  assert.equal(Object.getPrototypeOf(map), null);
  assert.equal(from('{"__proto__":{"Image":"evil"}}').string('Image'), '');
  assert.equal(({} as Record<string, unknown>)['p'], undefined);
});

test('texts and lists have limits, and no text holds a NUL', () => {
  const list = JSON.stringify({ X: Array.from({ length: LIST_ENTRIES_MAX + 1 }, () => 'a') });
  assert.throws(() => from(list).strings('X'), { code: 'limit_exceeded' });
  const long = JSON.stringify({ X: 'é'.repeat(STRING_BYTES_MAX / 2 + 1) });
  assert.throws(() => from(long).string('X'), { code: 'limit_exceeded' });
  assert.throws(() => from('{"X":"a\\u0000b"}').string('X'), invalid('T.X contains a NUL byte'));
});

test('broken JSON is told in the words of Go', () => {
  const cases = [
    ['', 'invalid JSON: got EOF while reading request body'],
    ['{', 'invalid JSON: unexpected EOF'],
    ['{"a', 'invalid JSON: unexpected EOF'],
    ['{"a":1} x', 'unexpected content after JSON'],
    ['x', "invalid JSON: invalid character 'x' looking for beginning of value"],
    ['{"a":}', "invalid JSON: invalid character '}' looking for beginning of value"],
    ['['.repeat(900), 'invalid JSON: unexpected EOF'],
  ] as const;
  for (const [text, message] of cases) {
    assert.throws(() => parseJson(text), invalid(message), text.slice(0, 20));
  }
  const deep = '['.repeat(500_000) + ']'.repeat(500_000);
  assert.throws(() => parseJson(deep), invalid('invalid JSON: exceeded max depth'));
  const text = JSON.stringify({ a: '[\\"['.repeat(5_000) });
  assert.ok(parseJson(text), 'brackets inside of a text do not count');
});
