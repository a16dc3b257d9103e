import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountOf, pathsBelow } from './mountinfo.ts';

const TEXT = [
  '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '30 27 0:5 / /dev rw shared:2 - devtmpfs dev rw',
  '31 27 0:6 / /mnt rw shared:7 master:3 - tmpfs a rw',
  '32 31 0:7 / /mnt rw master:4 - tmpfs b rw',
  '33 32 0:8 / /mnt/a\\040b rw unbindable - tmpfs c rw',
  '',
].join('\n');

test('a path is on the mount nearest above it, of two at one place on the later', () => {
  assert.deepEqual(mountOf('/home', TEXT), { path: '/', shared: false, slave: false });
  assert.deepEqual(mountOf('/dev/x', TEXT), { path: '/dev', shared: true, slave: false });
  assert.deepEqual(mountOf('/devil', TEXT)?.path, '/');
  assert.deepEqual(mountOf('/mnt', TEXT), { path: '/mnt', shared: false, slave: true });
  assert.deepEqual(mountOf('/mnt/a b/c', TEXT), { path: '/mnt/a b', shared: false, slave: false });
});

test('mount points below a directory come with the last first', () => {
  assert.deepEqual(pathsBelow('/mnt', TEXT), ['/mnt/a b']);
  assert.deepEqual(pathsBelow('/mn', TEXT), []);
});
