// What an external runtime is given, and how its words are read. Running one is
// test/root/runc.test.ts.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isEngineError } from '#base/error.ts';
import type { BoxRoot } from '../box.ts';
import { planCgroup } from '#kernel/cgroup/cgroup.ts';
import { cgroupRequest } from '../spec.ts';
import { boxWith, CPUSETS, factsOf } from '../testing-box.ts';
import { bundleSpec, jsonText } from './bundle.ts';
import { lastError } from './log.ts';
import { planRun, runcPaths } from './plan.ts';
import { resolveUser } from './user.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'coracle-runc-'));
});
after(() => {
  rmSync(directory, { recursive: true, force: true });
});

let count = 0;
/** A layer directory with these files below etc. */
function layer(files: Readonly<Record<string, string>>): string {
  count += 1;
  const path = join(directory, String(count));
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, 'etc'), { recursive: true });
    writeFileSync(join(path, 'etc', name), text);
  }
  return path;
}

function overlay(upper: string, ...lower: string[]): BoxRoot['mount'] {
  return { kind: 'overlay', upper, lower, work: '/w' };
}

const PASSWD = 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n';
const GROUP = 'root:x:0:\naudio:x:29:app,other\nvideo:x:44:\n';

test('a user is found by name or number, with the groups of the image', () => {
  const root = overlay(layer({}), layer({ passwd: PASSWD, group: GROUP }));
  assert.deepEqual(resolveUser(root, '', []), { uid: 0, gid: 0, additionalGids: [0] });
  assert.deepEqual(resolveUser(root, 'app', ['video', '7']), {
    uid: 1000,
    gid: 1001,
    additionalGids: [1001, 29, 44, 7],
  });
  assert.deepEqual(resolveUser(root, '1000', []).additionalGids, [1001, 29]);
  const explicit = { uid: 1000, gid: 44, additionalGids: [44] };
  assert.deepEqual(resolveUser(root, 'app:video', []), explicit);
  assert.deepEqual(resolveUser(root, '4242', []), { uid: 4242, gid: 0, additionalGids: [0] });
});

test('the file of the top-most layer counts, and a whiteout hides those below', () => {
  const lower = layer({ passwd: PASSWD });
  const upper = layer({ passwd: 'app:x:7:7::/:/bin/sh\n' });
  assert.equal(resolveUser(overlay(upper, lower), 'app', []).uid, 7);
  const hidden = layer({});
  writeFileSync(join(hidden, 'etc'), '');
  assert.throws(() => resolveUser(overlay(hidden, lower), 'app', []), /unable to find user app/);
});

test('links are not followed: on the host they lead out of the image', () => {
  const linked = layer({});
  mkdirSync(join(linked, 'etc'));
  symlinkSync('/etc/passwd', join(linked, 'etc/passwd'));
  assert.throws(() => resolveUser(overlay(linked), 'root', []), /is a symbolic link/);
  const etc = layer({});
  symlinkSync('/etc', join(etc, 'etc'));
  assert.throws(() => resolveUser(overlay(etc), 'root', []), /is a symbolic link/);
});

test('names that are not there and numbers out of range are refused', () => {
  const root = overlay(layer({ passwd: PASSWD }));
  assert.throws(
    () => resolveUser(root, 'nobody9', []),
    /unable to find user nobody9: no matching entries in passwd file/,
  );
  assert.throws(
    () => resolveUser(root, 'app:nogroup9', []),
    /unable to find group nogroup9: no matching entries in group file/,
  );
  assert.throws(() => resolveUser(root, '4294967296', []), /uids and gids must be in range/);
});

test('the bundle has no time namespace, and the ids of the user', () => {
  const { upper } = { upper: layer({ passwd: PASSWD }) };
  const box = boxWith({
    root: { readonly: false, mount: overlay(upper) },
    process: { user: 'app' },
  });
  const spec = bundleSpec(box, factsOf(1), '/run/c/shm');
  assert.ok(!spec.linux.namespaces.some(({ type }) => type === 'time'));
  assert.equal(spec.process.user.uid, 1000);
  assert.deepEqual(spec.process.capabilities.effective, []);
});

test('a joined /dev/shm is put where the bundle looks for it, before runc starts', () => {
  const box = boxWith({ shm: { kind: 'joined', pid: 99 }, root: { mount: overlay(layer({})) } });
  const paths = runcPaths('/run/c');
  const shm = bundleSpec(box, factsOf(1), paths.shm).mounts.find(
    ({ destination }) => destination === '/dev/shm',
  );
  assert.equal(shm?.type, 'bind');
  assert.equal(shm.source, '/run/c/shm');
  const cgroup = planCgroup(factsOf(1).cgroups, cgroupRequest(box), CPUSETS);
  const { init } = planRun('runc', box, paths, cgroup, factsOf(1));
  assert.deepEqual(
    init.slice(0, 4).map(({ op }) => op),
    [
      'propagation', // so that it does not get out to the host
      'source_in',
      'attach',
      'root_attach',
    ],
  );
});

test('--init and user namespaces are refused by name', () => {
  const map = [{ inside: 0, outside: 100_000, count: 65_536 }];
  const refused = [
    boxWith({ process: { init: true } }),
    boxWith({ namespaces: { user: { mode: 'map', uid: map, gid: map } } }),
  ];
  for (const box of refused) {
    assert.throws(
      () => bundleSpec(box, factsOf(1), '/run/c/shm'),
      (error) => isEngineError(error, 'not_implemented'),
    );
  }
});

test('a part of a volume is refused: an external runtime would follow its links on the host', () => {
  const mount = {
    kind: 'bind',
    source: '/volumes/v/_data',
    target: '/part',
    below: 'link',
    file: false,
    readonly: false,
    recursive: true,
    recursiveReadonly: 'no',
    propagation: 'rprivate',
  } as const;
  assert.throws(() => bundleSpec(boxWith({ mounts: [mount] }), factsOf(1), '/run/c/shm'), {
    code: 'not_implemented',
    message: /^the mount at \/part needs the built-in runtime/,
  });
});

test('64-bit integers stay exact in config.json', () => {
  assert.equal(jsonText({ value: 18_446_744_073_709_551_615n }), '{"value":18446744073709551615}');
});

test('the last error of the log is the reason', () => {
  const log =
    '{"level":"warning","msg":"w"}\n{"level":"error","msg":"first"}\nnot json\n' +
    '{"level":"error","msg":"runc run failed: exec: \\"x\\": executable file not found in $PATH"}\n';
  assert.match(lastError(log) ?? '', /executable file not found/);
  assert.equal(lastError(''), undefined);
});
