import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { forgetFlows } from './conntrack.ts';
import type { PublishedPort } from './state.ts';

const PORT: PublishedPort = {
  container: 'c',
  network: 'n',
  bridge: 'br',
  protocol: 'udp',
  hostIp: '0.0.0.0',
  hostPort: 53,
  ip: '10.0.0.2',
  port: 53,
};

test('ports that are published stay so where flows cannot be forgotten, also by an agent that died', async () => {
  const dead = new EngineError('internal', 'the agent ended with SIGKILL');
  const asked: string[] = [];
  const perform = (ops: readonly { readonly op: string }[]): Promise<never> => {
    asked.push(...ops.map(({ op }) => op));
    return Promise.reject(dead);
  };
  await forgetFlows({ agent: { perform }, namespace: '' }, { gone: [PORT], come: [PORT] });
  assert.deepEqual(asked, ['netlink']);
  await forgetFlows({ agent: { perform }, namespace: '' }, { gone: [], come: [] });
  assert.deepEqual(asked, ['netlink']);
});
