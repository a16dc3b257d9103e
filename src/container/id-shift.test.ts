import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilityToInside, capabilityToOutside, idShift } from './id-shift.ts';

const MAP = [{ inside: 0, outside: 100_000, count: 1000 }];

test('ids of a mapped container are shifted both ways, and one it does not have is refused', () => {
  const ids = idShift(MAP);
  assert.deepEqual([ids.toOutside(0), ids.toOutside(999)], [100_000, 100_999]);
  assert.deepEqual([ids.toInside(100_005), ids.toInside(0)], [5, 65_534]);
  assert.throws(() => ids.toOutside(1000), /Container ID 1000 cannot be mapped to a host ID/);
  const plain = idShift(undefined);
  assert.deepEqual([plain.toInside(7), plain.toOutside(7), plain.root], [7, 7, undefined]);
});

test('file capabilities name the root outside on disk, and nobody in an archive', () => {
  const plain = Buffer.alloc(20);
  plain.writeUInt32LE(0x0200_0001, 0);
  plain.writeUInt32LE(0x2000, 4);
  const owned = capabilityToOutside(plain, 100_000);
  assert.equal(owned.length, 24);
  assert.equal(owned.readUInt32LE(0), 0x0300_0001);
  assert.equal(owned.readUInt32LE(20), 100_000);
  assert.deepEqual(capabilityToInside(owned), plain);
  assert.equal(capabilityToOutside(plain, undefined), plain);
  assert.equal(capabilityToInside(plain), plain);
});
