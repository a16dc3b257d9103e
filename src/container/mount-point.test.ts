import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBind } from './bind-text.ts';
import { planMounts } from './mount-point.ts';
import type { MountSpec } from './spec.ts';

const none = { binds: [], mounts: [], tmpfs: {}, volumeDriver: '' };
const mount: MountSpec = {
  type: 'bind',
  source: '/src',
  target: '/dst',
  readOnly: false,
  consistency: '',
  bindOptions: undefined,
  volumeOptions: undefined,
  tmpfsOptions: undefined,
  imageOptions: undefined,
};

test('binds are host paths, names and anonymous volumes', () => {
  const bind = parseBind('/a/../b/:/c/:ro,rslave', '');
  assert.deepEqual(
    [bind.type, bind.source, bind.target, bind.readonly, bind.propagation, bind.createSource],
    ['bind', '/b', '/c', true, 'rslave', true],
  );
  assert.equal(parseBind('db:/data:nocopy', '').noCopy, true);
  const anonymous = parseBind('/data', '');
  assert.deepEqual([anonymous.type, anonymous.source], ['volume', '']);
});

test('bad binds get the texts of dockerd', () => {
  const refused = (text: string, message: string) =>
    assert.throws(() => parseBind(text, ''), { code: 'invalid_argument', message });
  const bind = 'invalid mount config for type "bind"';
  refused(':/x', "invalid volume specification: ':/x'");
  refused('/a:/b:ro:x', "invalid volume specification: '/a:/b:ro:x'");
  refused('/foo:ro', "invalid volume specification: '/foo:ro'");
  refused('/a:/b:ro,rw', 'invalid mode: ro,rw');
  refused('/a:/b:fast', 'invalid mode: fast');
  refused(
    '/a:/',
    `invalid volume specification: '/a:/': ${bind}: invalid specification: destination can't be '/'`,
  );
  refused(
    '/a:b',
    `invalid volume specification: '/a:b': ${bind}: invalid mount path: 'b' mount path must be absolute`,
  );
  assert.throws(() => parseBind('a/b:/c', ''), { message: /includes invalid characters/ });
});

test('two mounts on one target are refused', () => {
  const host = { ...none, binds: ['/a:/x'], tmpfs: { '/x/': '' } };
  assert.throws(() => planMounts(host, [], () => true), { message: 'Duplicate mount point: /x' });
});

test('volumes of the image yield to mounts of the user, and parents come first', () => {
  const host = { ...none, binds: ['/a:/data/deep', '/b:/data'], tmpfs: { '/t': 'size=1m' } };
  const plan = planMounts(host, ['/data', '/var/lib'], () => true);
  const told = plan.map((wish) => `${wish.type} ${wish.target}`);
  assert.deepEqual(told, ['bind /data', 'tmpfs /t', 'bind /data/deep', 'volume /var/lib']);
});

test('--mount of a missing source is refused, -v makes it', () => {
  const plan = (mounts: MountSpec[]) => planMounts({ ...none, mounts }, [], () => false);
  assert.throws(() => plan([mount]), {
    message: 'invalid mount config for type "bind": bind source path does not exist: /src',
  });
  assert.equal(planMounts({ ...none, binds: ['/q:/r'] }, [], () => false)[0]?.createSource, true);
});

test('--mount takes recursive read-only, propagation and tmpfs sizes', () => {
  const bindOptions = {
    propagation: 'rshared',
    nonRecursive: true,
    createMountpoint: false,
    readOnlyNonRecursive: false,
    readOnlyForceRecursive: true,
  };
  const tmpfsOptions = { sizeBytes: 4096, mode: 0o1777, options: [['exec']] };
  const plan = planMounts(
    {
      ...none,
      mounts: [
        { ...mount, bindOptions },
        { ...mount, type: 'tmpfs', source: '', target: '/t', tmpfsOptions },
      ],
    },
    [],
    () => true,
  );
  assert.equal(plan[0]?.propagation, 'rshared');
  assert.equal(plan[0]?.recursive, false);
  assert.equal(plan[0]?.recursiveReadonly, 'force');
  assert.deepEqual(plan[1]?.options, ['size=4096', 'mode=1777', 'exec']);
  const wrong = { ...mount, type: 'volume', bindOptions } as const;
  assert.throws(() => planMounts({ ...none, mounts: [wrong] }, [], () => true), {
    message: 'invalid mount config for type "volume": field BindOptions must not be specified',
  });
});

test('U, O and idmap stand beside the words of Docker, where they make sense', () => {
  assert.equal(parseBind('/a:/b:U,ro', '').chown, true);
  assert.equal(parseBind('v1:/b:U', '').chown, true);
  assert.equal(parseBind('/a:/b:idmap', '').idmap, true);
  assert.equal(parseBind('/a:/b:O', '').throwaway, true);
  const refused = (text: string) =>
    assert.throws(() => parseBind(text, ''), { message: /: O is for a bind that can be written/ });
  for (const text of ['v1:/b:O', '/a:/b:O,ro', '/a:/b:O,rslave']) refused(text);
  assert.throws(() => parseBind('/a:/b:nocopy', ''), {
    message: /type "bind": field VolumeOptions must not be specified/,
  });
});

test('a subpath stays below its volume, and a view of an image is read-only', () => {
  const volumeOptions = { noCopy: false, labels: {}, driver: '', driverOptions: {} };
  const plan = (subpath: string) =>
    planMounts(
      {
        ...none,
        mounts: [
          { ...mount, type: 'volume', source: 'v1', volumeOptions: { ...volumeOptions, subpath } },
        ],
      },
      [],
      () => true,
    )[0]?.subpath;
  assert.deepEqual(['a/../b', './x/', ''].map(plan), ['b', 'x', '']);
  for (const path of ['..', '../x', '/x', 'a/../../x']) {
    assert.throws(() => plan(path), { message: /subpath must be a relative path within the/ });
  }
  const image = { ...mount, type: 'image', source: 'i', imageOptions: { subpath: 'd' } } as const;
  const [view] = planMounts({ ...none, mounts: [image] }, [], () => true);
  assert.deepEqual([view?.type, view?.readonly, view?.subpath], ['image', true, 'd']);
});

test('mounts of other containers take the place of the volumes of the image', () => {
  const plan = planMounts(none, ['/data', '/x'], () => true, ['/data']);
  assert.deepEqual(
    plan.map(({ target }) => target),
    ['/x'],
  );
});
