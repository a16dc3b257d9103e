import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, mountText, planVolume } from './options.ts';

test('options name a directory, a bind or a file system', () => {
  assert.deepEqual(planVolume({}), { source: { kind: 'directory' }, size: undefined });
  assert.deepEqual(planVolume({ size: '1g' }), { source: { kind: 'directory' }, size: 2 ** 30 });
  const bind = { type: 'none', device: '/srv', o: 'rbind,ro' };
  assert.deepEqual(planVolume(bind).source, {
    kind: 'bind',
    device: '/srv',
    recursive: true,
    options: 'rbind,ro',
  });
  const nfs = { type: 'nfs', device: ':/export', o: 'addr=10.0.0.1,rw,nfsvers=4' };
  assert.deepEqual(planVolume(nfs).source, {
    kind: 'filesystem',
    type: 'nfs',
    device: ':/export',
    options: 'addr=10.0.0.1,rw,nfsvers=4',
  });
});

test('devices of servers are checked when the volume is made', () => {
  const good = ['server:/e', ':/e', '[fe80::1]:/e'];
  const bad = ['/e', 'server', ':', ''];
  const plan = (device: string) => planVolume({ type: 'nfs4', device, o: 'addr=h' });
  for (const device of good) assert.doesNotThrow(() => plan(device), device);
  for (const device of bad) assert.throws(() => plan(device), { code: 'invalid_argument' }, device);
  const share = (device: string) => planVolume({ type: 'cifs', device, o: 'username=u' });
  assert.doesNotThrow(() => share('//h/s'));
  assert.throws(() => share('//h'), { code: 'invalid_argument' });
  assert.equal(addressOf('rw,addr=host,x'), 'host');
  assert.equal(addressOf('rw'), undefined);
});

test('a mount that fails is told as mount(2) would have been called', () => {
  const text = (options: string) =>
    mountText({ kind: 'filesystem', type: 'ext4', device: '/dev/x', options }, '/t');
  assert.equal(text(''), 'mount /dev/x:/t');
  assert.equal(text('ro,noatime'), 'mount /dev/x:/t, flags: 0x401');
  assert.equal(text('ro,rw,data=x'), 'mount /dev/x:/t, data: data=x');
  assert.equal(text('rbind'), 'mount /dev/x:/t, flags: 0x5000');
});
