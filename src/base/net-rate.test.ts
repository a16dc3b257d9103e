import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BURST_BYTES_MAX,
  checkBurst,
  checkRate,
  formatBurst,
  formatRate,
  parseBurst,
  parseRate,
  RATE_BITS_MAX,
} from './net-rate.ts';

test('rates are read as tc(8) writes them', () => {
  const rates: readonly (readonly [string, number])[] = [
    ['10mbit', 10_000_000],
    ['10Mbit', 10_000_000],
    ['1.5gbit', 1_500_000_000],
    ['1tbit', RATE_BITS_MAX],
    ['64kbit', 64_000],
    ['2000', 2000],
    ['2000bit', 2000],
    ['1kbps', 8000],
    ['1mibit', 1024 * 1024],
    ['2KiBps', 2 * 8 * 1024],
  ];
  for (const [text, bits] of rates) assert.equal(parseRate(text), bits, text);
});

test('bursts are read as tc(8) writes them', () => {
  const bursts: readonly (readonly [string, number])[] = [
    ['64k', 65_536],
    ['64kb', 65_536],
    ['64KB', 65_536],
    ['1.5m', 1_572_864],
    ['512kbit', 65_536],
    ['4096', 4096],
    ['4096b', 4096],
    ['1g', BURST_BYTES_MAX],
  ];
  for (const [text, bytes] of bursts) assert.equal(parseBurst(text), bytes, text);
});

test('what is no rate or burst is refused with what it should be', () => {
  for (const text of ['', 'fast', '-1mbit', '10 mbit/s', '1e6', '10m', '10%', '1mbit\n2', 'kbit']) {
    assert.throws(
      () => parseRate(text),
      /^EngineError: invalid network rate ".*as "10mbit"$/,
      text,
    );
  }
  for (const text of ['999', '0', '2tbit', '9'.repeat(400)]) {
    assert.throws(() => parseRate(text), /it is from 1kbit to 1tbit$/, text);
  }
  for (const text of ['', 'big', '-1k', '64kib', '1t']) {
    assert.throws(() => parseBurst(text), /as "64k"$/, text);
  }
  for (const text of ['0', '1k', '2g']) assert.throws(() => parseBurst(text), /from 2k, .* to 1g$/);
  assert.throws(() => checkRate(Number.NaN), /invalid network rate "NaN"/);
  assert.throws(() => checkBurst(4096.5), /invalid network burst "4096.5"/);
});

test('what is written is read back', () => {
  for (const [bits, text] of [
    [10_000_000, '10mbit'],
    [1_500_000, '1500kbit'],
    [1234, '1234bit'],
    [RATE_BITS_MAX, '1tbit'],
  ] as const) {
    assert.equal(formatRate(bits), text);
    assert.equal(parseRate(text), bits);
  }
  for (const [bytes, text] of [
    [65_536, '64k'],
    [2049, '2049b'],
    [BURST_BYTES_MAX, '1g'],
  ] as const) {
    assert.equal(formatBurst(bytes), text);
    assert.equal(parseBurst(text), bytes);
  }
});
