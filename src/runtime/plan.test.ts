// What must hold of every plan, whatever the box.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planCgroup } from '#kernel/cgroup/cgroup.ts';
import type { LaunchPlan, Op, OpName } from '#kernel/native/op.ts';
import type { Box } from './box.ts';
import { compileLaunch, launchExtras } from './plan.ts';
import { cgroupRequest, makeSpec } from './spec.ts';
import { BOXES } from './testing-boxes.ts';
import { boxWith, CPUSETS, factsOf, PLAIN_BOX } from './testing-box.ts';

function planOf(box: Box, cgroups: 1 | 2 = 1, facts = factsOf(cgroups)): LaunchPlan {
  const spec = makeSpec(box, facts);
  const cgroup = planCgroup(facts.cgroups, cgroupRequest(box), CPUSETS);
  return compileLaunch(spec, launchExtras(box, cgroup), facts);
}

function at(ops: readonly Op[], name: OpName): number {
  return ops.findIndex((op) => op.op === name);
}

/** Operations whose arguments are paths of the host. */
const HOST_PATHS: readonly OpName[] = ['bind', 'source', 'setns', 'cgroup_join', 'root_attach'];

for (const [name, { box, cgroups }] of Object.entries(BOXES)) {
  const { init, join, host, teardown } = planOf(box, cgroups);
  const names = init.map((op) => op.op);

  test(`${name}: nothing of the host is named after the root has been switched`, () => {
    const after = init.slice(at(init, 'pivot_root') + 1);
    assert.deepEqual(
      after.filter((op) => HOST_PATHS.includes(op.op)),
      [],
    );
  });

  test(`${name}: propagation is cut before anything is mounted`, () => {
    const first = init.findIndex((op) => ['mount', 'bind', 'tmpfs'].includes(op.op));
    assert.ok(at(init, 'propagation') !== -1 && at(init, 'propagation') < at(init, 'root_attach'));
    assert.ok(at(init, 'root_attach') < first);
  });

  test(`${name}: masks and read-only paths come after the last mount, the root switch after them`, () => {
    const last = init.findLastIndex((op) => op.op === 'mount' || op.op === 'bind');
    const masks = init.flatMap((op, index) =>
      op.op === 'mask' || (op.op === 'readonly' && op.path.startsWith('/proc')) ? [index] : [],
    );
    for (const index of masks) {
      assert.ok(index > last);
      assert.ok(index < at(init, 'pivot_root'));
    }
  });

  test(`${name}: execve is last, and after "ready" privileges only shrink`, () => {
    assert.equal(names.at(-1), 'exec');
    assert.equal(names.filter((each) => each === 'exec').length, 1);
    const after = names.slice(names.indexOf('ready') + 1);
    const allowed = ['seccomp', 'bounding', 'set_user', 'caps', 'no_new_privs', 'exec'];
    assert.deepEqual(
      after.filter((each) => !allowed.includes(each)),
      [],
    );
    assert.ok(after.indexOf('bounding') < after.indexOf('set_user'));
    assert.ok(after.indexOf('set_user') < after.indexOf('caps'));
  });

  test(`${name}: with no_new_privs the filter is the last step before execve`, () => {
    if (!names.includes('no_new_privs')) return;
    assert.deepEqual(names.slice(-3), ['no_new_privs', 'seccomp', 'exec']);
  });

  test(`${name}: a mount comes after all mounts above it`, () => {
    const targets = init.flatMap((op) =>
      op.op === 'mount' || op.op === 'bind' ? [op.target] : [],
    );
    for (const [index, target] of targets.entries()) {
      const later = targets.slice(index + 1);
      assert.ok(!later.some((each) => target.startsWith(`${each}/`)), target);
      assert.ok(!later.includes(target), `${target} twice`);
    }
  });

  test(`${name}: every cgroup that is made is entered before a program runs, and removed`, () => {
    const entered = [...host, ...join, ...init].flatMap((op) =>
      op.op === 'cgroup_join' || op.op === 'cgroup_into' ? [op.path] : [],
    );
    const removed = teardown.flatMap((op) => (op.op === 'cgroup_rmdir' ? [op.path] : []));
    const made = host.flatMap((op) =>
      op.op === 'mkdir' && op.path.endsWith(`/${box.id}`) ? [op.path] : [],
    );
    assert.deepEqual(entered.toSorted(), made.toSorted());
    assert.deepEqual(removed.toSorted(), made.toSorted());
  });

  test(`${name}: a cgroup namespace is made after joining the cgroups`, () => {
    const unshare = at(init, 'unshare');
    if (unshare === -1) return;
    assert.ok(init.findLastIndex((op) => op.op === 'cgroup_join') < unshare);
  });

  test(`${name}: nothing is shared with the host through a user namespace`, () => {
    if (at(join, 'join_userns') === -1) return;
    assert.equal(join.at(-1)?.op, 'join_userns');
    assert.equal(at(init, 'cgroup_join'), -1);
    assert.equal(at(init, 'node'), -1);
    assert.equal(at(init, 'setns'), -1);
  });
}

test('a mount inside /proc is refused, but for the files that lxcfs replaces', () => {
  const bind = (target: string): Box =>
    boxWith({
      mounts: [
        {
          kind: 'bind',
          source: '/x',
          target,
          file: true,
          readonly: false,
          recursive: false,
          recursiveReadonly: 'no',
          propagation: 'rprivate',
        },
      ],
    });
  for (const target of ['/proc/self/exe', '/proc/sys/kernel', '/proc']) {
    assert.throws(() => planOf(bind(target)), /cannot be mounted because it is inside \/proc/);
  }
  assert.doesNotThrow(() => planOf(bind('/proc/cpuinfo')));
  assert.throws(
    () => planOf(boxWith({ mounts: [{ kind: 'tmpfs', target: '/proc/acpi', options: [] }] })),
    /inside \/proc/,
  );
});

test('a path in another spelling is judged by where it leads', () => {
  const box = boxWith({ mounts: [{ kind: 'tmpfs', target: '/tmp/../proc//acpi/', options: [] }] });
  assert.throws(() => planOf(box), /inside \/proc/);
});

test('a shared bind is copied before propagation is cut', () => {
  const { init } = planOf(BOXES['shared-bind']?.box ?? PLAIN_BOX);
  assert.ok(at(init, 'source') !== -1 && at(init, 'source') < at(init, 'propagation'));
});

test('two containers with the same profile and capabilities share one compiled filter', () => {
  const filter = (plan: LaunchPlan): Uint8Array | undefined =>
    plan.init.flatMap((op) => (op.op === 'seccomp' ? [op.filter] : []))[0];
  const a = filter(planOf(PLAIN_BOX));
  assert.ok(a !== undefined && a === filter(planOf(boxWith({ id: 'other' }))));
});

test('layers are given one by one to kernels that take them so, and as one list to older ones', () => {
  const overlay = (minor: number, box: Box): string | undefined =>
    planOf(box, 1, { ...factsOf(1), kernel: { major: 6, minor } })
      .host.map(({ op }) => op)
      .find((op) => op.startsWith('root_'));
  assert.equal(overlay(8, PLAIN_BOX), 'root_overlay');
  assert.equal(overlay(7, PLAIN_BOX), 'root_overlay_joined');
  const mapped = BOXES['user-namespace']?.box;
  assert.ok(mapped);
  assert.equal(overlay(13, mapped), 'root_overlay');
  assert.throws(() => overlay(12, mapped), /a user namespace needs overlayfs of Linux 6\.13/);
});

test('an unknown ulimit is refused', () => {
  const box = boxWith({ process: { rlimits: [{ name: 'nonsense', soft: 1, hard: 1 }] } });
  assert.throws(() => planOf(box), /invalid rlimit type: RLIMIT_NONSENSE/);
});
