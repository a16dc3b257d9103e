// The parts of the network verbs that docker's CLI does not have, and orders that it shares.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NetRate } from '#wire/container-config.ts';
import type { NetworkExplainReply } from '#wire/network.ts';
import { planCreate } from '../create/body.ts';
import { CREATE_FLAGS } from '../create/flags.ts';
import { UPDATE_FLAGS } from '../create/limit-flags.ts';
import { planUpdate } from '../create/update.ts';
import { parseFlags } from '../flags.ts';
import { compareNatural } from '../format/natural.ts';
import { NETWORK_VERBS } from '../table/network.ts';
import { planNetwork } from './body.ts';
import { networkText } from './explain.ts';

function created(...argv: string[]): NetRate | undefined {
  const { flags } = parseFlags(CREATE_FLAGS, argv, { interspersed: false });
  return planCreate(flags, 'busybox', []).HostConfig['NetRate'] as NetRate | undefined;
}

function updated(...argv: string[]): NetRate | null | undefined {
  return planUpdate(parseFlags(UPDATE_FLAGS, argv, { interspersed: true }).flags).NetRate;
}

test('--net-rate is for both directions, or for one; the later word wins', () => {
  const limit = { BitsPerSecond: 10_000_000 };
  assert.deepEqual(created('--net-rate', '10mbit'), { In: limit, Out: limit });
  assert.deepEqual(created('--net-rate', 'in:10mbit'), { In: limit });
  const apart = { In: limit, Out: { BitsPerSecond: 50_000_000 } };
  assert.deepEqual(created('--net-rate', 'in:10mbit', '--net-rate=out:50mbit'), apart);
  assert.deepEqual(created('--net-rate', '50mbit,in:10mbit'), apart);
  assert.equal(created(), undefined);
});

test('--net-burst goes with the rates that there are, and never alone', () => {
  const limit = { BitsPerSecond: 1_000_000, BurstBytes: 65_536 };
  assert.deepEqual(created('--net-rate', '1mbit', '--net-burst', '64k'), { In: limit, Out: limit });
  assert.deepEqual(created('--net-rate', 'out:1mbit', '--net-burst', '64k'), { Out: limit });
  const needs = /--net-burst needs a --net-rate of the same direction/;
  assert.throws(() => created('--net-burst', '64k'), needs);
  assert.throws(() => created('--net-rate', 'in:1mbit', '--net-burst', 'out:64k'), needs);
});

test('a rate of none takes a limit away in an update, and is nothing in a create', () => {
  assert.deepEqual(updated('--net-rate', 'none'), { In: null, Out: null });
  assert.deepEqual(updated('--net-rate', 'in:none'), { In: null });
  assert.equal(created('--net-rate', 'none'), undefined);
  assert.equal(updated('-m', '64m'), undefined);
});

test('a rate that is none says what one looks like', () => {
  const shown = /invalid argument "fast" for "--net-rate" flag: .*as "10mbit"/;
  assert.throws(() => created('--net-rate', 'fast'), shown);
  assert.throws(() => created('--net-rate', 'up:1mbit'), /for "--net-rate" flag/);
});

test('the gateway of a subnet may be written with its prefix, as the book does', () => {
  const verb = NETWORK_VERBS.find(({ name }) => name === 'create');
  const ipam = (...argv: string[]) => {
    const { flags } = parseFlags(verb?.flags ?? [], argv, { interspersed: true });
    return planNetwork(flags, 'testbridge').IPAM?.Config;
  };
  const book = [{ Subnet: '192.168.10.0/24', Gateway: '192.168.10.1' }];
  assert.deepEqual(ipam('--driver', 'bridge', '--subnet', '192.168.10.1/24'), book);
  assert.deepEqual(ipam('--subnet', '192.168.10.0/24'), [{ Subnet: '192.168.10.0/24' }]);
  // With a gateway of its own it is what Docker makes of it: an error of the daemon's.
  const both = ipam('--subnet', '10.0.0.9/24', '--gateway', '10.0.0.1');
  assert.deepEqual(both, [{ Subnet: '10.0.0.9/24', Gateway: '10.0.0.1' }]);
});

test('numbers inside a text count as numbers', () => {
  const names = ['net10', 'net9', 'Net1', 'net09', 'a', 'net9b', 'net'];
  const sorted = ['Net1', 'a', 'net', 'net9', 'net9b', 'net09', 'net10'];
  assert.deepEqual(names.toSorted(compareNatural), sorted);
});

test('the natural order is an order', () => {
  const word = fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'B', '-'), maxLength: 6 });
  const sign = (a: string, b: string): number => Math.sign(compareNatural(a, b));
  const property = fc.property(word, word, word, (a, b, c) => {
    assert.equal(sign(a, b) + sign(b, a), 0);
    assert.equal(sign(a, b) === 0, a === b);
    if (sign(a, b) <= 0 && sign(b, c) <= 0) assert.ok(sign(a, c) <= 0);
  });
  fc.assert(property);
});

test('network explain shows groups, kinds, reasons once, and counters at the right', () => {
  const reply: NetworkExplainReply = {
    Id: 'a'.repeat(64),
    Name: 'shop',
    Driver: 'bridge',
    Groups: [
      {
        Name: 'outwards',
        Steps: [
          { Kind: 'route', Text: 'default via 10.0.0.1', Why: 'Out.', Packets: null, Bytes: null },
          { Kind: 'rule', Text: 'masquerade', Why: 'Borrows.', Packets: 12, Bytes: 1500 },
          { Kind: 'rule', Text: 'accept', Why: 'Borrows.', Packets: 3, Bytes: null },
        ],
      },
      { Name: 'empty', Steps: [] },
    ],
  };
  const expected = [
    'Network shop: driver bridge',
    `id ${'a'.repeat(12)}`,
    '',
    `OUTWARDS${' '.repeat(46)}packets    bytes`,
    '   1  route  default via 10.0.0.1',
    '             Out.',
    `   2  rule   masquerade${' '.repeat(36)}12    1.5kB`,
    '             Borrows.',
    `   3  rule   accept${' '.repeat(41)}3`,
    '',
    'EMPTY',
    '',
  ];
  assert.equal(networkText(reply, false, 70), expected.join('\n'));
});
