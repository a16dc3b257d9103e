import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { archOf, parseRelease, readHostFacts, splitRdev } from './facts.ts';

test('a kernel release is its first two numbers', () => {
  assert.deepEqual(parseRelease('6.1.0-13-amd64'), { major: 6, minor: 1 });
  assert.deepEqual(parseRelease('6.18.44-fc'), { major: 6, minor: 18 });
  assert.throws(
    () => parseRelease('linux'),
    (error) => isEngineError(error, 'unavailable'),
  );
});

test('a device number is split as makedev(3) joined it', () => {
  assert.deepEqual(splitRdev(0x0103), { major: 1, minor: 3 });
  assert.deepEqual(splitRdev(0x8800), { major: 136, minor: 0 });
  // minor 0x12345: its upper bits lie above the major's.
  assert.deepEqual(splitRdev(0x1230_0845), { major: 8, minor: 0x12345 });
});

test('an architecture that we have no system call table for is refused', () => {
  assert.equal(archOf('x64'), 'x86_64');
  assert.throws(
    () => archOf('riscv64'),
    (error) => isEngineError(error, 'unavailable'),
  );
});

test('the facts of this host can be read without being root', () => {
  const facts = readHostFacts();
  assert.ok(facts.namespaces.includes('mount'));
  assert.ok(facts.boundingSet >= 0n);
});
