import assert from 'node:assert/strict';
import { mkdirSync, mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { changeCgroups, type ChangeDeps } from './change-cgroup.ts';
import { factsOf } from './testing-box.ts';

test('processes that have not entered a cgroup yet are not moved when the change is taken back', async () => {
  const [controllers, mountpoint] = [['net_cls'], '/nowhere/net_cls'];
  const facts = factsOf(1);
  const cgroups = {
    ...facts.cgroups,
    onDemand: [{ controllers, mountpoint, root: '/', own: '/' }],
  };
  const deps: ChangeDeps = {
    agent: { perform: () => Promise.reject(new Error('no such file system')) },
    pids: async () => [process.pid],
  };
  const request = { parent: '/coracle', name: 'box', resources: {} };
  const change = { before: request, after: { ...request, resources: { netClassId: 1 } } };
  await assert.rejects(
    changeCgroups(deps, { ...facts, cgroups }, change),
    /^Error: no such file system$/,
  );
});

test('a limit whose file this kernel does not have is refused with the reason', async () => {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'cgroup-'));
  mkdirSync(join(directory.path, 'coracle/box'), { recursive: true });
  const facts = factsOf(1);
  const hierarchy = { controllers: ['pids'], mountpoint: directory.path, root: '/', own: '/' };
  const deps: ChangeDeps = {
    agent: { perform: () => Promise.reject(new Error('nothing is asked of it')) },
    pids: async () => [],
  };
  const before = { parent: '/coracle', name: 'box', resources: {} };
  const change = { before, after: { ...before, resources: { pidsLimit: 5 } } };
  await assert.rejects(
    changeCgroups(deps, { ...facts, cgroups: { version: 1, hierarchies: [hierarchy] } }, change),
    /cannot write "5" to .*\/box\/pids\.max: ENOENT \(this kernel has no such file\)$/,
  );
});
