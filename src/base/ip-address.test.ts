import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  contains,
  formatCidr,
  formatIp,
  networkOf,
  overlaps,
  parseCidr,
  parseIp,
  readCidr,
  readIp,
} from './ip-address.ts';

test('an address is written in its canonical form', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['10.0.0.1', '10.0.0.1'],
    ['FD00:0:0:0::1', 'fd00::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
  ];
  for (const [text, wanted] of cases) assert.equal(formatIp(parseIp(text)), wanted);
});

test('what is not an address is refused', () => {
  const texts = [
    '',
    '1',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':',
    ':::',
    '1:2',
    '1::2::3',
    'fe80::1%eth0',
    '12345::',
    '1:2:3:4:5:6:7:8::',
    '::1.2.3',
    '1.2.3.4::',
    '10.0.0.1\n',
    ' 10.0.0.1',
  ];
  for (const text of texts) assert.equal(readIp(text), undefined, text);
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', '/8', 'fd00::/129', '10.0.0.0/-1']) {
    assert.equal(readCidr(text), undefined, text);
    assert.throws(() => parseCidr(text), { code: 'invalid_argument' });
  }
});

test('every address comes back from its text, and Node agrees that it is one', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.nat(127), (number, shift) => {
      const value = number >> BigInt(shift);
      const six = { family: 6, value } as const;
      assert.ok(isIPv6(formatIp(six)));
      assert.deepEqual(readIp(formatIp(six)), six);
      const four = { family: 4, value: value & 0xffffffffn } as const;
      assert.ok(isIPv4(formatIp(four)));
      assert.deepEqual(readIp(formatIp(four)), four);
    }),
    { numRuns: 300 },
  );
});

test('any text is read without an exception', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'0123456789abf:./'), maxLength: 45 }),
      (text) => {
        const read = readIp(text);
        const family = isIPv4(text) ? 4 : isIPv6(text) ? 6 : undefined;
        assert.equal(read?.family, family);
      },
    ),
    { numRuns: 500 },
  );
});

test('prefixes know what they contain and overlap', () => {
  const net = parseCidr('10.1.2.3/16');
  assert.equal(formatCidr(networkOf(net)), '10.1.0.0/16');
  assert.ok(contains(net, parseIp('10.1.255.255')));
  assert.ok(!contains(net, parseIp('10.2.0.0')));
  assert.ok(!contains(parseCidr('::/0'), parseIp('10.2.0.0')));
  assert.ok(overlaps(net, parseCidr('10.0.0.0/8')));
  assert.ok(!overlaps(net, parseCidr('10.2.0.0/16')));
  assert.ok(overlaps(parseCidr('0.0.0.0/0'), parseCidr('1.2.3.4/32')));
});
