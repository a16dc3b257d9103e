// Elements as bytes and back. What nft itself sends was read with strace(1).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from './element.ts';
import { changeMessages, decodeElements, transaction } from './nft-message.ts';

const add = (element: Element) => changeMessages('t', [{ verb: 'add', element }]);

const ELEMENTS: readonly Element[] = [
  { set: 'ours', key: '"co-0123456789ab"' },
  { set: 'talk', key: '"br-1" . "br-1"' },
  { set: 'any4', key: 'tcp . 81', value: '10.0.0.2 . 8080' },
  { set: 'one4', key: 'udp . 127.0.0.1 . 53', value: '10.0.0.2 . 53' },
  { set: 'one6', key: 'sctp . 2001:db8::1 . 9', value: 'fd00::2 . 65535' },
  { set: 'open6', key: '"br-1" . fd00::2 . tcp . 80' },
  { set: 'traffic4', key: '172.17.0.2 . tcp . 80' },
  { set: 'own4', key: '"br-1" . 172.17.0.0/16' },
  { set: 'own6', key: '"br-1" . fd00::/64' },
  { set: 'own4', key: '"br-1" . 10.0.0.1/32' },
  { set: 'masq4', key: '172.17.0.0/16' },
  { set: 'masq4', key: '255.255.0.0/16' },
  { set: 'masq4', key: '0.0.0.0/0' },
  { set: 'masq6', key: 'fd00::/64' },
  { set: 'snat4', key: '172.17.0.0/16', value: '192.0.2.9' },
];

test('what is sent of an element is read back as the same element', () => {
  for (const element of ELEMENTS) {
    const [message] = add(element);
    assert.ok(message);
    const answer = { type: 0, flags: 0, sequence: 1, body: Buffer.from(message.body) };
    assert.deepEqual(decodeElements(element.set, [answer]), [
      { ...element, packets: 0n, bytes: 0n },
    ]);
  }
});

test('neighbouring subnets stay two, whatever the order in which the kernel lists them', () => {
  const messages = ['172.18.0.0/16', '172.17.0.0/16'].flatMap((key) => add({ set: 'masq4', key }));
  const answers = messages.map(({ body }) => {
    return { type: 0, flags: 0, sequence: 1, body: Buffer.from(body) };
  });
  assert.deepEqual(
    decodeElements('masq4', answers).map(({ key }) => key),
    ['172.17.0.0/16', '172.18.0.0/16'],
  );
});

test('an element is sent as nft sends it', () => {
  const list = (element: Element): string =>
    Buffer.from(add(element)[0]?.body ?? [])
      .toString('hex')
      // The family, and the names of table and set.
      .slice(8)
      .replace(/^.*?(?=........(?:0380))/, '');
  assert.equal(
    list({ set: 'any4', key: 'tcp . 81', value: '10.0.0.2 . 8080' }).slice(-80),
    '28000380' +
      '24000180' +
      '100001800c00010006000000' +
      '00510000' +
      '100002800c0001000a000002' +
      '1f900000',
  );
});

test('one transaction ends with its end, and only the last change asks for an answer', () => {
  const batch = transaction(
    changeMessages(
      't',
      ELEMENTS.map((element) => ({ verb: 'delete', element })),
    ),
    7,
  );
  const headers: { type: number; flags: number; sequence: number }[] = [];
  for (let at = 0; at < batch.length; at += batch.readUInt32LE(at)) {
    headers.push({
      type: batch.readUInt16LE(at + 4),
      flags: batch.readUInt16LE(at + 6),
      sequence: batch.readUInt32LE(at + 8),
    });
  }
  assert.equal(headers[0]?.type, 16);
  assert.equal(headers.at(-1)?.type, 17);
  assert.deepEqual(
    headers.map(({ sequence }) => sequence),
    headers.map((_, index) => index + 7),
  );
  const asking = headers.flatMap(({ flags }, index) => (flags & 4 ? [index] : []));
  assert.deepEqual(asking, [headers.length - 2]);
});
