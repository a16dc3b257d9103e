import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import { MOUNT_ATTR, MS, PROPAGATION } from './flags.ts';
import { parseMountOptions, parseTmpfsOptions } from './options.ts';

const { RDONLY, NOSUID, NODEV, NOEXEC, ATIME, NOATIME } = MOUNT_ATTR;

test('--tmpfs without options is noexec, nosuid, nodev and private', () => {
  assert.deepEqual(parseTmpfsOptions(''), {
    attrSet: NOSUID | NODEV | NOEXEC,
    attrClear: 0,
    propagation: 'rprivate',
    options: [],
  });
});

test('--tmpfs options go over the defaults, and the last word wins', () => {
  assert.deepEqual(parseTmpfsOptions('rw,exec,ro,size=1m,mode=1777,size=64m,rshared,defaults'), {
    attrSet: NOSUID | NODEV | RDONLY,
    attrClear: NOEXEC,
    propagation: 'rshared',
    options: ['size=64m', 'mode=1777'],
  });
});

test('an unknown tmpfs option is refused in the words of Docker', () => {
  const cases = [
    ['nope', 'invalid tmpfs option ["nope"]'],
    ['nope=1=2', 'invalid tmpfs option ["nope" "1=2"]'],
    ['size', 'invalid tmpfs option ["size"]'],
    ['bind', 'invalid tmpfs option ["bind"]'],
    ['noexec,,', 'invalid tmpfs option [""]'],
  ] as const;
  for (const [text, message] of cases) {
    assert.throws(
      () => parseTmpfsOptions(text),
      (error) => isEngineError(error, 'invalid_argument') && error.message === message,
    );
  }
});

test('an atime mode clears the mask of modes, as mount_setattr() demands', () => {
  assert.deepEqual(parseMountOptions('noatime'), {
    attrSet: NOATIME,
    attrClear: ATIME,
    options: [],
  });
  assert.deepEqual(parseMountOptions('noatime,relatime'), {
    attrSet: 0,
    attrClear: ATIME,
    options: [],
  });
});

test('options of a volume that we do not know are left to the file system', () => {
  assert.deepEqual(parseMountOptions('rbind,ro,addr=10.0.0.1,nfsvers=4,sync,async'), {
    attrSet: RDONLY,
    attrClear: 0,
    bind: 'rbind',
    options: ['addr=10.0.0.1', 'nfsvers=4', 'async'],
  });
});

test('PROPAGATION has the flags of mount(2)', () => {
  assert.equal(PROPAGATION.rslave, MS.SLAVE | MS.REC);
  assert.equal(MS.SHARED, 0x10_0000);
});
