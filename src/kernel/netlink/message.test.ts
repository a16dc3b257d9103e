import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEngineError } from '#base/error.ts';
import { decodeIp, encodeIp, encodeMac, parsePrefix } from './ip.ts';
import { getLink } from './link.ts';
import {
  Attributes,
  attributes,
  bytes,
  checkInterfaceName,
  decodeMessages,
  encodeMessages,
  nested,
  text,
  u8,
  u16,
  u32,
  u64,
} from './message.ts';
import { dumpRoutes } from './route.ts';
import { setQdisc } from './traffic.ts';

test('attributes come back as they went in, whatever their length', () => {
  const blob = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.nat(0x3fff), blob), { selector: ([type]) => type }),
      (all) => {
        const data = attributes(...all.map(([type, value]) => bytes(type, value)));
        assert.equal(data.length % 4, 0);
        const list = new Attributes(data);
        assert.equal(list.size, all.length);
        for (const [type, value] of all) assert.deepEqual(list.bytes(type), Buffer.from(value));
      },
    ),
  );
});

test('numbers and text keep their values through a nested attribute', () => {
  const word = fc.string({ maxLength: 40 }).filter((one) => !one.includes('\0'));
  const numbers = fc.tuple(
    fc.nat(0xff),
    fc.nat(0xffff),
    fc.nat(0xffff_ffff),
    fc.bigInt(0n, (1n << 64n) - 1n),
  );
  fc.assert(
    fc.property(numbers, word, ([a, b, c, d], e) => {
      const inside = new Attributes(
        attributes(nested(9, u8(1, a), u16(2, b), u32(3, c), u64(4, d), text(5, e))),
      ).nested(9);
      assert.deepEqual(
        [inside?.u8(1), inside?.u16(2), inside?.u32(3), inside?.u64(4), inside?.text(5)],
        [a, b, c, d, e],
      );
    }),
  );
});

test('random bytes are read or refused, never a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      for (const read of [() => new Attributes(Buffer.from(data)), () => decodeMessages(data)]) {
        try {
          read();
        } catch (error) {
          assert.ok(isEngineError(error, 'internal'));
        }
      }
    }),
  );
});

test('a request is acknowledged and numbered from 1; a dump ends by itself', () => {
  const data = encodeMessages([getLink('lo'), dumpRoutes('inet')]);
  assert.equal(
    data.toString('hex'),
    '28000000120005000100000000000000' + // length 40, RTM_GETLINK, REQUEST|ACK, sequence 1
      '00000000000000000000000000000000' + // struct ifinfomsg
      '070003006c6f0000' + // IFLA_IFNAME "lo"
      '1c0000001a0001030200000000000000' + // RTM_GETROUTE, REQUEST|DUMP, sequence 2
      '020000000000000000000000',
  );
});

test('the flags CREATE and REPLACE are not taken for a dump', () => {
  const data = encodeMessages([setQdisc(3, { kind: 'htb', defaultClass: 1 })]);
  assert.equal(data.readUInt16LE(6), 0x1 | 0x4 | 0x400 | 0x100);
});

test('answers are read one after the other', () => {
  const answers = decodeMessages(encodeMessages([getLink(7), getLink(8)]));
  assert.deepEqual(
    answers.map(({ sequence, body }) => [sequence, body.readInt32LE(4)]),
    [
      [1, 7],
      [2, 8],
    ],
  );
});

test('addresses are the bytes of the network and back', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['10.0.0.1', '0a000001'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '00000000000000000000000000000000'],
    ['fd00::1', 'fd000000000000000000000000000001'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ];
  for (const [address, hex] of cases) {
    assert.equal(encodeIp(address).toString('hex'), hex);
    assert.equal(decodeIp(Buffer.from(hex, 'hex')), address);
  }
  assert.deepEqual(parsePrefix('fd00::2/64'), { family: 'inet6', address: 'fd00::2', length: 64 });
  assert.deepEqual(parsePrefix('10.1.2.3'), { family: 'inet', address: '10.1.2.3', length: 32 });
  assert.equal(encodeMac('02:42:AC:11:00:02').toString('hex'), '0242ac110002');
});

test('names, addresses and prefixes that the kernel cannot have are refused', () => {
  for (const name of [
    '',
    '.',
    '..',
    'a/b',
    'a b',
    'a\nb',
    'sixteen-letters-',
    'a%d',
    'x:1',
    'a\0',
  ]) {
    assert.throws(
      () => checkInterfaceName(name),
      { code: 'invalid_argument' },
      JSON.stringify(name),
    );
  }
  for (const name of ['eth0', '-x', 'veth0a1b2c3d4e5', 'größe']) checkInterfaceName(name);
  for (const bad of ['10.0.0.0/33', '10.0.0/8', 'fd00::/129', 'x', '10.0.0.1/', '1.2.3.4/8/8']) {
    assert.throws(() => parsePrefix(bad), { code: 'invalid_argument' }, bad);
  }
  assert.throws(() => encodeMac('02:42:ac:11:00'), { code: 'invalid_argument' });
});
