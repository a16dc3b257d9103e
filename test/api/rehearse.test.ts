// What the daemon asks itself before anybody asks it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rehearse, REHEARSALS } from '#daemon/rehearse.ts';
import { EngineError } from '#base/error.ts';
import type { ContainerSpec } from '#container/spec.ts';
import { startServer } from './server.ts';

test('a rehearsal asks for nothing but plans of the image', async () => {
  await using server = await startServer();
  await rehearse(server.api, server.events, 'sha256:abc');
  const { calls } = server.engine;
  assert.equal(calls.length, REHEARSALS);
  for (const [verb, spec] of calls as [string, ContainerSpec][]) {
    assert.equal(verb, 'plan');
    assert.equal(spec.config.image, 'sha256:abc');
    assert.equal(spec.host.autoRemove, true);
  }
});

test('a rehearsal ends as soon as somebody wants a container', async () => {
  await using server = await startServer();
  const { engine, events } = server;
  const plan = engine.plan.bind(engine);
  engine.plan = async (spec) => {
    if (engine.calls.length === 2) {
      events.publish({ type: 'container', action: 'create', actor: { id: 'a', attributes: {} } });
    }
    return plan(spec);
  };
  await rehearse(server.api, events, 'busybox');
  assert.equal(engine.calls.length, 3);
});

test('a rehearsal ends where there is no plan', async () => {
  await using server = await startServer();
  let asked = 0;
  server.engine.plan = async () => {
    asked += 1;
    throw new EngineError('not_found', 'No such image: busybox:latest');
  };
  await rehearse(server.api, server.events, 'busybox');
  assert.equal(asked, 1);
});
