import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CgroupHost } from './host.ts';
import { delegatedUnit, namingOf } from './naming.ts';

const ID = 'c0'.repeat(32);

test('systemd: a slice stands inside those that its name spells, a container is a scope', () => {
  const naming = namingOf('systemd');
  assert.equal(naming.parent('foo-bar.slice'), '/foo.slice/foo-bar.slice');
  assert.equal(naming.parent('-.slice'), '/');
  assert.equal(naming.container(ID), `coracle-${ID}.scope`);
  assert.equal(naming.idOf(`coracle-${ID}.scope`), ID);
  for (const other of [ID, `docker-${ID}.scope`, `coracle-${ID}.slice`, 'coracle-x.scope']) {
    assert.equal(naming.idOf(other), undefined, other);
  }
});

test('systemd: what is no slice is refused in the words of dockerd', () => {
  const naming = namingOf('systemd');
  for (const good of ['x.slice', 'a-b-c.slice', '-.slice', 'a\\x2db.slice']) naming.check(good);
  for (const bad of ['/foo', '.slice', 'foo', 'a--b.slice', '-a.slice', 'a-.slice', 'a/b.slice']) {
    assert.throws(() => naming.check(bad), {
      code: 'invalid_argument',
      message: 'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
    });
  }
  // A record that was made under the other driver.
  assert.equal(naming.parent('/foo'), '/foo');
});

test('systemd: slices of ours are below ours, whatever signs are in their names', () => {
  const naming = namingOf('systemd', '/system.slice/coracle.service');
  const root = naming.parent('coracle.slice');
  const cgroup = `${root}/coracle-cg1.slice/coracle-cg1-cg2.slice`;
  assert.equal(root, '/system.slice/coracle.service/coracle.slice');
  assert.equal(naming.slice(root, 'cg1/cg2'), cgroup);
  assert.equal(naming.parent('coracle-cg1-cg2.slice'), cgroup);
  assert.equal(naming.slice('/', 'cg1/cg2'), '/cg1.slice/cg1-cg2.slice');
  for (const path of ['cg1', 'cg1/cg2', 'a-b/c.d', 'a/b-c']) {
    for (const above of [root, '/']) {
      assert.equal(naming.sliceOf(above, naming.slice(above, path)), path);
    }
  }
  assert.notEqual(naming.slice(root, 'a-b'), naming.slice(root, 'a/b'));
  assert.equal(naming.sliceOf(root, root), undefined);
  assert.equal(naming.sliceOf(root, '/other.slice/coracle-cg1.slice'), undefined);
});

test('cgroupfs: a path is what it says, one that ends in .slice too', () => {
  const naming = namingOf('cgroupfs');
  assert.equal(naming.parent('foo-bar.slice'), 'foo-bar.slice');
  naming.check('foo-bar.slice');
  naming.check('/foo');
  assert.equal(naming.slice('/coracle', 'cg1/cg2'), '/coracle/cg1/cg2');
  assert.equal(naming.sliceOf('/coracle', '/coracle/cg1/cg2'), 'cg1/cg2');
  assert.equal(naming.sliceOf('/', '/cg1'), 'cg1');
  assert.equal(naming.sliceOf('/coracle', '/coracle'), undefined);
  assert.equal(naming.idOf(ID), ID);
});

test('the unit of the daemon is where it may be started again beside what is below', () => {
  const v1 = (own: string): CgroupHost => ({
    version: 1,
    hierarchies: [{ controllers: ['name=systemd'], mountpoint: '/cg/systemd', root: '/', own }],
  });
  const host = (own: string): CgroupHost => ({
    version: 2,
    hierarchies: [],
    unified: { controllers: [], mountpoint: '/sys/fs/cgroup', root: '/', own },
  });
  const unit = '/system.slice/coracle.service';
  assert.equal(delegatedUnit(v1(unit)), unit);
  assert.equal(delegatedUnit(v1('/user.slice')), '/');
  assert.equal(delegatedUnit(host(unit)), '/');
  assert.equal(delegatedUnit(host(`${unit}/supervisor`)), unit);
  assert.equal(delegatedUnit(host('/user.slice/user-0.slice/session-1.scope')), '/');
  const user = '/user.slice/user-1000.slice/user@1000.service/app.slice/coracle.service';
  assert.equal(delegatedUnit(host(`${user}/supervisor`)), user);
  assert.equal(delegatedUnit(host('/')), '/');
});
