import assert from 'node:assert/strict';
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
