// The namespace flags that Docker's CLI does not have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags } from '../flags.ts';
import { planCreate } from './body.ts';
import { CREATE_FLAGS } from './flags.ts';

function plan(...argv: string[]): Record<string, unknown> {
  const { flags } = parseFlags(CREATE_FLAGS, argv, { interspersed: false });
  return { ...planCreate(flags, 'busybox', []).HostConfig };
}

test('--userns takes a range of ids, which the docker CLI refuses', () => {
  assert.equal(plan('--userns', 'auto')['UsernsMode'], 'auto');
  assert.equal(plan('--userns', 'map:500000:1000')['UsernsMode'], 'map:500000:1000');
  assert.throws(() => plan('--userns', 'map:x:1'), /^.*--userns: invalid USER mode/);
});

test('--timens is private or host, and is sent only when it is said', () => {
  assert.equal(plan('--timens', 'host')['TimensMode'], 'host');
  assert.equal('TimensMode' in plan(), false);
  assert.throws(() => plan('--timens', 'x'), /--timens: invalid TIME mode/);
});
