import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPlatform } from '#image/platform.ts';
import { checkPlatform } from './platform.ts';

const own = hostPlatform().architecture;
const other = own === 's390x' ? 'riscv64' : 's390x';
const image = (architecture: string) => ({ name: 'x:1', platform: `linux/${architecture}` });
const check = (platform: string | undefined, architecture: string) =>
  checkPlatform({ platform }, image(architecture));

test('an image of the platform that is asked for, or of this machine, has no warning', () => {
  assert.deepEqual(check(undefined, own), []);
  assert.deepEqual(check('linux', own), []);
  assert.deepEqual(check(`linux/${other}`, other), []);
  assert.deepEqual(check('linux/arm64', 'arm64/v8'), []);
});

test('an image of another machine is made a container of, with a warning', () => {
  assert.match(check(undefined, other)[0] ?? '', /does not match the detected host platform/);
});

test('an image of another platform than the one asked for is not there', () => {
  assert.throws(() => check(`linux/${other}`, own), {
    code: 'not_found',
    message: new RegExp(
      `^image with reference x:1 was found.*does not match .*\\(linux/${other}\\)$`,
    ),
  });
  assert.throws(() => check('a/b/c/d', own), { code: 'invalid_argument' });
});
