// Applies cgroup plans to the kernel of this machine, reads every file back and removes all.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { posix } from 'node:path';
import { after, test } from 'node:test';
import { errnoOf } from '#base/error.ts';
import { type CgroupPlan, factFiles, planCgroup } from '#kernel/cgroup/cgroup.ts';
import { planChange } from '#kernel/cgroup/change.ts';
import {
  ALL_DEVICES,
  DEFAULT_DEVICES,
  type DeviceRule,
  formatDeviceRule,
  parseDeviceRule,
} from '#kernel/cgroup/device-rule.ts';
import { detectFeatures, withFiles } from '#kernel/cgroup/features.ts';
import { isFrozen } from '#kernel/cgroup/freezer.ts';
import { type CgroupHost, detectCgroups, directoryOf, hierarchyOf } from '#kernel/cgroup/host.ts';
import { parseOomKills } from '#kernel/cgroup/oom.ts';
import type { Resources } from '#kernel/cgroup/resources.ts';
import { checkReadBack } from '#kernel/cgroup/step.ts';
import { validateResources } from '#kernel/cgroup/validate.ts';
import { NativeAgent } from '#kernel/native/agent.ts';
import { cgroupOp } from '#runtime/cgroup.ts';
import { NATIVE } from './native-path.ts';

const PARENT = `/coracle-test-${process.pid}`;
const MIB = 1 << 20;
const unified = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m;
const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
const controllers = `${unified.exec(mountinfo)?.[1]}/cgroup.controllers`;
const host = detectCgroups({
  mountinfo,
  selfCgroup: readFileSync('/proc/self/cgroup', 'utf8'),
  ...(existsSync(controllers) ? { controllersFile: readFileSync(controllers, 'utf8') } : {}),
});
const hierarchies = [...host.hierarchies, ...(host.unified ? [host.unified] : [])];

function plan(name: string, resources: Resources): CgroupPlan {
  const request = { parent: PARENT, name, resources };
  const files = factFiles(host, request).filter((file) => existsSync(file));
  const facts = Object.fromEntries(files.map((file) => [file, readFileSync(file, 'utf8')]));
  return planCgroup(host, request, facts);
}

function apply(made: CgroupPlan): void {
  for (const step of made.create) {
    if (step.op === 'mkdir') {
      try {
        mkdirSync(step.path);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
    } else if (step.op === 'cgroup_write') {
      writeFileSync(step.path, step.value);
      if (step.check !== 'write_only') checkReadBack(step, readFileSync(step.path, 'utf8'));
    }
  }
}

/** Runs a shell script inside the cgroup, which it enters first. */
function runInside(made: CgroupPlan, script: string) {
  const join = made.directories
    .map((directory) => `echo 0 > ${directory}/cgroup.procs`)
    .join(' && ');
  return spawnSync('/bin/sh', ['-c', `${join} && ${script}`], { encoding: 'utf8' });
}

function remove(made: CgroupPlan): void {
  for (const directory of made.directories) rmdirSync(directory);
}

after(() => {
  for (const each of hierarchies) {
    const directory = directoryOf(each, PARENT);
    if (!existsSync(directory)) continue;
    // A test that failed may have left its leaf.
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) rmdirSync(`${directory}/${entry.name}`);
    }
    rmdirSync(directory);
  }
});

test('a container with every limit gets exactly these, and leaves nothing behind', () => {
  apply(plan('probe', {}));
  const seen = withFiles(host, PARENT, (directory) => readdirSync(directory));
  remove(plan('probe', {}));
  const wished: Resources = {
    memory: 64 * MIB + 1,
    memoryReservation: 32 * MIB,
    cpuShares: 512,
    nanoCpus: 5e8,
    cpusetCpus: '0',
    pidsLimit: 64,
    devices: DEFAULT_DEVICES,
  };
  const features = detectFeatures(seen);
  const known = { cpuCount: 2, cpus: '0-1', mems: '0', hugePages: [] };
  const valid = validateResources(wished, { ...known, features, host: seen });
  const made = plan('limits', valid.resources);
  apply(made);
  const inside = runInside(made, 'cat /proc/self/cgroup; grep Cpus_allowed_list /proc/self/status');
  assert.equal(inside.status, 0, inside.stderr);
  assert.match(inside.stdout, /Cpus_allowed_list:\t0\n/);
  for (const line of inside.stdout.split('\n').filter((each) => /^\d+:/.test(each))) {
    assert.ok(line.endsWith(`:${PARENT}/limits`), line);
  }
  remove(made);
  for (const directory of made.directories) assert.equal(existsSync(directory), false);
});

test('v1 devices.list is the default list and nothing else', (t) => {
  const devices = hierarchyOf(host, 'devices');
  if (devices === undefined) return t.skip('no v1 devices hierarchy here');
  const made = plan('devices', { devices: DEFAULT_DEVICES });
  apply(made);
  const list = readFileSync(`${directoryOf(devices, `${PARENT}/devices`)}/devices.list`, 'utf8');
  assert.deepEqual(
    list.trim().split('\n').sort(),
    DEFAULT_DEVICES.map((rule) => formatDeviceRule(rule)).sort(),
  );
  remove(made);
});

test('an allocation above the limit is killed and counted', (t) => {
  const made = plan('oom', { memory: 16 * MIB, memorySwap: 16 * MIB });
  if (made.oomFile === undefined) return t.skip('no memory controller here');
  apply(made);
  const inside = runInside(made, 'exec tail /dev/zero');
  assert.equal(inside.signal, 'SIGKILL');
  assert.equal(parseOomKills(readFileSync(made.oomFile, 'utf8')), 1);
  remove(made);
});

test('the freezer freezes and thaws', () => {
  const made = plan('freezer', {});
  apply(made);
  const { freezer } = made;
  assert.ok(freezer);
  writeFileSync(freezer.path, freezer.freeze);
  assert.equal(isFrozen(freezer, readFileSync(freezer.statePath, 'utf8')), true);
  writeFileSync(freezer.path, freezer.thaw);
  assert.equal(isFrozen(freezer, readFileSync(freezer.statePath, 'utf8')), false);
  remove(made);
});

test('a second container finds the parent and its cpuset as they are', () => {
  const first = plan('first', { cpusetCpus: '0' });
  apply(first);
  const second = plan('second', {});
  assert.equal(
    second.create.some((step) => posix.basename(step.path) === 'first'),
    false,
  );
  apply(second);
  assert.equal(runInside(second, 'true').status, 0);
  remove(first);
  remove(second);
});

test('what a container has made below its cgroup goes with it, however named and deep', async () => {
  const made = plan('tree', {});
  apply(made);
  for (const directory of made.directories) {
    mkdirSync(`${directory}/.hidden/inner`, { recursive: true });
    mkdirSync(`${directory}/a${'/b'.repeat(100)}`, { recursive: true });
  }
  await using agent = new NativeAgent(NATIVE);
  await agent.perform(made.directories.map((path) => ({ op: 'cgroup_rmdir', path })));
  for (const directory of made.directories) assert.ok(!existsSync(directory), directory);
});

test('the device program of v2 is replaced at once, for processes that run', async (t) => {
  const { unified } = host;
  if (unified === undefined) return t.skip('no cgroup2 here');
  // As on a host where nothing but cgroup2 keeps devices.
  const v2: CgroupHost = { version: 2, hierarchies: [], unified: { ...unified, controllers: [] } };
  const rules = (text?: string): readonly DeviceRule[] =>
    text === undefined ? DEFAULT_DEVICES : [...DEFAULT_DEVICES, parseDeviceRule(text)];
  const request = (devices: readonly DeviceRule[]) => ({
    parent: PARENT,
    name: 'program',
    resources: { devices },
  });
  await using agent = new NativeAgent(NATIVE);
  const made = planCgroup(v2, request(rules()), {});
  await agent.perform(made.create.map(cgroupOp));
  const directory = made.unified ?? '';
  const open = (path: string): boolean => {
    const script = `echo 0 > ${directory}/cgroup.procs && exec < ${path}`;
    return spawnSync('/bin/sh', ['-c', script]).status === 0;
  };
  const change = async (before: readonly DeviceRule[], after: readonly DeviceRule[]) => {
    const { steps } = planChange(v2, { before: request(before), after: request(after) }, {});
    await agent.perform(steps.map(({ step }) => cgroupOp(step)));
  };
  const kmsg = 'c 1:11 r';
  const answers = (): boolean[] => ['/dev/null', '/dev/kmsg', '/dev/zero'].map(open);
  assert.deepEqual(answers(), [true, false, true]);
  await change(rules(), rules(kmsg));
  assert.deepEqual(answers(), [true, true, true]);
  await change(rules(kmsg), rules('c 1:11 w'));
  assert.deepEqual(answers(), [true, false, true]);
  await change(rules('c 1:11 w'), ALL_DEVICES);
  assert.deepEqual(answers(), [true, true, true]);
  await change(ALL_DEVICES, rules());
  assert.deepEqual(answers(), [true, false, true]);
  rmdirSync(directory);
});
