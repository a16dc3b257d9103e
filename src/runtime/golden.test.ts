// The whole decision of the runtime on paper: a box → its OCI spec and its launch plan, for each
// kind of box. `make golden` rewrites the files under test/golden/runtime; the diff is the review.
import { type TestContext, test } from 'node:test';
import { planCgroup } from '#kernel/cgroup/cgroup.ts';
import type { ExecPlan, LaunchPlan, Op } from '#kernel/native/op.ts';
import { compileExec, type ExecRequest } from './exec.ts';
import { explain } from './explain.ts';
import { execBaseOf } from './launch.ts';
import { compileLaunch, launchExtras } from './plan.ts';
import { cgroupRequest, makeSpec } from './spec.ts';
import { BOXES } from './testing-boxes.ts';
import { boxWith, CPUSETS, factsOf, PLAIN_BOX } from './testing-box.ts';
import type { Box } from './box.ts';
import type { HostFacts } from './facts.ts';
import type { OciSpec } from './oci.ts';

type Made = { readonly spec: OciSpec; readonly plan: LaunchPlan };

function make(box: Box, facts: HostFacts): Made {
  const spec = makeSpec(box, facts);
  const cgroup = planCgroup(facts.cgroups, cgroupRequest(box), CPUSETS);
  return { spec, plan: compileLaunch(spec, launchExtras(box, cgroup), facts) };
}

/** The rules of the filter are compared by the tests of kernel/seccomp. */
function specText({ spec }: Made): string {
  const { seccomp } = spec.linux;
  const short = seccomp === undefined ? {} : { seccomp: { ...seccomp, syscalls: '(left out)' } };
  return JSON.stringify({ ...spec, linux: { ...spec.linux, ...short } }, null, 2);
}

function opText(place: string, op: Op): string {
  const { op: name, ...args } = op;
  const text = JSON.stringify(args, (_key, value: unknown) => {
    if (value instanceof Uint8Array) return value.length === 0 ? '' : '(bytes)';
    return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
  });
  return `${place} ${name} ${text}`;
}

function planText({ plan }: Made): string {
  const lines = (['host', 'join', 'init', 'teardown'] as const).flatMap((place) => [
    ...(place === 'init' ? [`clone3 0x${plan.cloneFlags.toString(16)}`] : []),
    ...plan[place].map((op) => opText(place, op)),
  ]);
  return lines.join('\n');
}

function snapshot(t: TestContext, name: string, text: string): void {
  t.assert.fileSnapshot(text, `test/golden/runtime/${name}`, { serializers: [String] });
}

for (const [name, { box, cgroups }] of Object.entries(BOXES)) {
  test(`the OCI spec of a container: ${name}`, (t) => {
    snapshot(t, `spec-${name}.json`, specText(make(box, factsOf(cgroups))));
  });

  test(`the launch plan of a container: ${name}`, (t) => {
    snapshot(t, `plan-${name}.txt`, planText(make(box, factsOf(cgroups))));
  });
}

const EXECS: Readonly<Record<string, Partial<ExecRequest>>> = {
  plain: {},
  tty: {
    stdio: { tty: true, stdin: 'once' },
    consoleSize: { height: 24, width: 80 },
    user: '1000',
  },
  privileged: { privileged: true, cwd: '/tmp' },
};

function execPlan(change: Partial<ExecRequest>): ExecPlan {
  const facts = factsOf(1);
  const box = boxWith({ process: { rlimits: [{ name: 'nofile', soft: 64, hard: 128 }] } });
  const spec = makeSpec(box, facts);
  const cgroup = planCgroup(facts.cgroups, cgroupRequest(box), CPUSETS);
  const base = execBaseOf(spec, cgroup);
  const request: ExecRequest = {
    argv: ['ls', '-l'],
    env: box.process.env,
    cwd: '',
    user: '',
    groups: [],
    privileged: false,
    stdio: { tty: false, stdin: 'none' },
    consoleSize: undefined,
    ...change,
  };
  return compileExec(base, request, facts);
}

for (const [name, change] of Object.entries(EXECS)) {
  test(`the plan of an exec: ${name}`, (t) => {
    const plan = execPlan(change);
    const lines = (['join', 'init'] as const).flatMap((place) =>
      plan[place].map((op) => opText(place, op)),
    );
    snapshot(t, `exec-${name}.txt`, lines.join('\n'));
  });
}

test('the explanation of a container names each system call and its reason', (t) => {
  const { plan } = make(PLAIN_BOX, factsOf(1));
  const text = explain(plan, [])
    .map((group) => {
      const steps = group.steps.map((step) => `  ${step.step} ${step.text}\n      ${step.why}`);
      return `${group.name}\n${steps.join('\n')}`;
    })
    .join('\n');
  snapshot(t, 'explain-default.txt', text);
});
