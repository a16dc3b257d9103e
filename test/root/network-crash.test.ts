// Networks under a daemon that is killed at any moment: the next one takes over what it can use and
// takes away the rest, whatever the last one was in the middle of.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { idOf, sandboxRequest, ServiceHost, wish } from './service-host.ts';

const WORKER = join(import.meta.dirname, '../fixture/network-worker.ts');
const KILLS = 6;
const LIFE_MS_MAX = 150;
const GONE_MS_MAX = 10_000;
const POLL_MS = 20;

async function workAndDie(host: ServiceHost): Promise<void> {
  const worker = spawn(process.execPath, [WORKER, host.directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(worker, 'exit');
  await Promise.race([once(worker.stdout, 'data'), ended]);
  assert.equal(worker.exitCode, null);
  await sleep(Math.random() * LIFE_MS_MAX);
  worker.kill('SIGKILL');
  await ended;
}

test('a daemon that is killed at any moment leaves nothing that the next one does not find', async () => {
  await using host = await ServiceHost.open();
  for (let round = 0; round < KILLS; round += 1) await workAndDie(host);

  const service = await host.service('worker');
  assert.deepEqual(service.problems, []);
  // One whose namespace was made is said to run: it is kept, and whole again.
  const kept = service
    .list()
    .flatMap(({ endpoints }) => endpoints.map(({ containerId }) => containerId))
    .find((id) => host.run(['true'], service.path(id)).status === 0);
  await service.recover(new Set(kept === undefined ? [] : [kept]));
  assert.deepEqual(host.reports, []);
  if (kept !== undefined) {
    const sandbox = service.sandbox(kept);
    assert.ok(sandbox !== undefined);
    for (const { gateway } of sandbox.endpoints) assert.ok(host.ping(sandbox.path, gateway));
    await service.close(kept);
  }
  assert.deepEqual(readdirSync(join(host.directory, 'worker/exec/net')), []);
  const ours = async () => (await host.links()).filter((name) => name.startsWith('cv'));
  const deadline = Date.now() + GONE_MS_MAX;
  while ((await ours()).length > 0 && Date.now() < deadline) await sleep(POLL_MS);
  assert.deepEqual(await ours(), []);
  // No address is held by what is gone.
  const fresh = await host.service('worker');
  const all = Array.from({ length: 20 }, (_, index) => `n${index}`);
  await Promise.all(all.map((name) => fresh.open(sandboxRequest(name, [wish('one')]))));
  await Promise.all(all.map((name) => fresh.close(idOf(name))));
  for (const name of ['one', 'two']) await fresh.remove(name);
  assert.deepEqual(await host.links(), ['lo']);
});
