import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteRate, Slots } from './rate.ts';

test('whoever takes bytes waits until the rate has earned them, also those of others', () => {
  let now = 10_000;
  const rate = new ByteRate(1000, () => now);
  assert.equal(rate.charge(100), 0, 'the burst of 200 ms');
  assert.equal(rate.charge(200), 100);
  assert.equal(rate.charge(1000), 1100);
  now += 1100;
  assert.equal(rate.charge(10), 10);
  now += 60_000;
  assert.equal(rate.charge(300), 100, 'a long pause earns no more than the burst');
});

test('a rate of 0 is no limit', () => {
  const rate = new ByteRate(0);
  assert.equal(rate.charge(1e12), 0);
});

test('slots are given in the order of asking, and one who gives up is passed over', async () => {
  const slots = new Slots(1);
  const { signal } = new AbortController();
  const gone = new AbortController();
  const order: string[] = [];
  const first = await slots.take(signal);
  const second = slots.take(gone.signal);
  const third = slots.take(signal).then((slot) => {
    order.push('third');
    return slot;
  });
  gone.abort(new Error('gave up'));
  await assert.rejects(second, /gave up/);
  assert.deepEqual(order, []);
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  (await slots.take(signal))[Symbol.dispose]();
  await assert.rejects(slots.take(gone.signal), /gave up/);
});
