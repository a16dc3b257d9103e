// Changes of a running container's networks of which the record cannot be written: nothing of them
// may stay, neither in the kernel nor in what the daemon believes.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { NetworkService } from '#network/service.ts';
import { idOf, networkRequest, sandboxRequest, ServiceHost, wish } from './service-host.ts';

let host: ServiceHost;

before(async () => {
  host = await ServiceHost.open();
});

after(async () => {
  await host[Symbol.asyncDispose]();
});

/** A record that is a directory cannot be replaced. */
function withUnwritable<T>(service: NetworkService, name: string, work: () => Promise<T>) {
  const path = `${service.path(idOf(name))}.json`;
  rmSync(path, { force: true });
  mkdirSync(`${path}/in-the-way`, { recursive: true });
  return work().finally(() => rmSync(path, { recursive: true }));
}

const PORT = {
  port: 80,
  protocol: 'tcp',
  hostIp: '',
  hostPort: { first: 8080, last: 8080 },
} as const;

test('what cannot be recorded is undone, and the addresses are nobody’s', async () => {
  const service = await host.service('undo');
  await service.create(networkRequest('first'));
  await service.create(networkRequest('second'));
  const before = await service.open(sandboxRequest('c', [wish('first')]));
  const id = idOf('c');
  await withUnwritable(service, 'c', async () => {
    await assert.rejects(service.connect(id, wish('second')), { code: 'EISDIR' });
    await assert.rejects(service.changePorts(id, { add: [PORT], remove: [] }), { code: 'EISDIR' });
    await assert.rejects(service.rename(id, 'other'), { code: 'EISDIR' });
  });
  assert.deepEqual(service.sandbox(id), before);
  assert.deepEqual(await host.ports.move({ sandbox: before, plugs: [] }), []);
  assert.deepEqual(service.inspect('second').endpoints, []);
  await service.remove('second');
  await service.close(id);
  await service.remove('first');
});

test('a disconnect that cannot be recorded has happened all the same', async () => {
  const service = await host.service('gone');
  await service.create(networkRequest('first'));
  await service.create(networkRequest('second'));
  const { endpoints } = await service.open(sandboxRequest('c', [wish('first'), wish('second')]));
  const id = idOf('c');
  await withUnwritable(service, 'c', () =>
    assert.rejects(service.disconnect(id, 'second'), { code: 'EISDIR' }),
  );
  assert.deepEqual(service.sandbox(id)?.endpoints, endpoints.slice(0, 1));
  await service.remove('second');
  await service.close(id);
  await service.remove('first');
});

test('a sandbox that could not be made ahead is seen when it is made after all', async () => {
  const service = await host.service('ahead');
  await service.create(networkRequest('first'));
  const request = sandboxRequest('c', [wish('first')]);
  await withUnwritable(service, 'c', () =>
    assert.rejects(service.open({ ...request, hidden: true }), { code: 'EISDIR' }),
  );
  const sandbox = await service.open(request);
  assert.deepEqual(service.sandbox(idOf('c')), sandbox);
  await service.close(idOf('c'));
  await service.remove('first');
});
