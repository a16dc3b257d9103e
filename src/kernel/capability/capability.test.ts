import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import {
  CAPABILITY_NAMES,
  maskOf,
  namesOf,
  parseBoundingSet,
  resolveCapabilities,
} from './capability.ts';

const FULL = 0x1ff_ffff_ffffn;

function resolve(add: string[], drop: string[] = [], privileged = false, bounding = FULL): string {
  return resolveCapabilities({ add, drop, privileged, bounding }).toString(16);
}

test('the table has every capability up to CAP_CHECKPOINT_RESTORE', () => {
  assert.equal(CAPABILITY_NAMES.length, 41);
  assert.equal(CAPABILITY_NAMES.indexOf('CAP_SYS_ADMIN'), 21);
  assert.equal(CAPABILITY_NAMES.indexOf('CAP_SETFCAP'), 31);
  assert.equal(CAPABILITY_NAMES.indexOf('CAP_BPF'), 39);
  assert.equal(maskOf(CAPABILITY_NAMES), FULL);
});

test('resolveCapabilities() gives the values of the baseline', () => {
  assert.equal(resolve([]), 'a80425fb');
  assert.equal(resolve(['NET_ADMIN']), 'a80435fb');
  assert.equal(resolve([], ['ALL']), '0');
  assert.equal(resolve([], [], true), '1ffffffffff');
  assert.equal(resolve([], [], true, 0x1ff_feff_ffffn), '1fffeffffff');
});

test('names work in any case, with and without CAP_', () => {
  for (const name of ['net_admin', 'cap_net_admin', 'CAP_NET_ADMIN', 'Net_Admin']) {
    assert.equal(resolve([name]), 'a80435fb', name);
  }
});

test('add and drop meet as in Docker', () => {
  assert.deepEqual(namesOf(BigInt(`0x${resolve(['CHOWN'], ['all'])}`)), ['CAP_CHOWN']);
  assert.equal(resolve(['ALL'], ['ALL']), '1ffffffffff');
  assert.equal(resolve(['ALL'], ['CHOWN']), '1fffffffffe');
  assert.equal(resolve(['CHOWN'], ['CHOWN']), 'a80425fb');
  assert.equal(resolve(['ALL'], [], false, 0xffn), 'ff');
});

test('an unknown capability is refused in the words of Docker', () => {
  assert.throws(
    () => resolve(['x']),
    (error) =>
      isEngineError(error, 'invalid_argument') &&
      error.message === 'invalid CapAdd: unknown capability: "CAP_X"',
  );
});

test('a capability that the daemon lacks is refused, added or dropped', () => {
  const lacks = (field: string) => (error: unknown) =>
    isEngineError(error, 'invalid_argument') &&
    error.message ===
      `invalid ${field}: ` +
        'capability not supported by your kernel or not available in the current environment: ' +
        '"CAP_SYS_RESOURCE"';
  const bounding = 0x1ff_feff_ffffn;
  assert.throws(() => resolve(['SYS_RESOURCE'], [], false, bounding), lacks('CapAdd'));
  assert.throws(() => resolve([], ['SYS_RESOURCE'], false, bounding), lacks('CapDrop'));
});

test('parseBoundingSet() reads /proc/self/status', () => {
  const status = 'Name:\tnode\nCapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\nSeccomp:\t0\n';
  assert.equal(parseBoundingSet(status), 0x1ff_feff_ffffn);
  assert.throws(
    () => parseBoundingSet('Name:\tnode\n'),
    (error) => isEngineError(error),
  );
});
