import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import { Trash } from '#base/trash.ts';
import { removeTrees } from '#snapshot/remove-tree.ts';
import { connect, disconnect } from './connect.ts';
import type { Deps } from './deps.ts';
import { PLAIN_WISH } from './endpoint.ts';
import type { Pid } from './state.ts';
import { ContainerStore } from './store.ts';
import { plainRecord } from './testing-record.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-connect-'));
after(() => rm(root, { recursive: true, force: true }));

const DOWN = new EngineError('kernel_refused', 'the kernel says no');

/** A container that runs on `networks`; which ones the kernel has is a list of names. */
async function host(name: string, networks: readonly string[]) {
  const trash = new Trash(removeTrees, (_, error) => assert.ifError(error));
  const store = new ContainerStore(join(root, name), trash);
  await store.load();
  const live = new Set(networks);
  const state = { refuses: false };
  const sandbox = () => ({
    resolvConf: '',
    endpoints: [...live].map((networkName) => ({ networkName })),
  });
  const change = async (work: () => void) => {
    if (state.refuses) throw DOWN;
    work();
    return sandbox();
  };
  const deps = {
    store,
    locks: new KeyedLock(),
    settings: { noBridge: false },
    networks: {
      sandbox,
      record: (ref: string) => ({ id: ref, name: ref, driver: 'bridge', ipam: { subnets: [] } }),
      connect: (_id: string, { network }: { network: string }) => change(() => live.add(network)),
      disconnect: (_id: string, network: string) => change(() => live.delete(network)),
    },
    report: () => {},
  } as unknown as Deps;
  const plain = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 1n });
  const networking = Object.fromEntries(
    networks.map((network) => [network, { ...PLAIN_WISH, network }]),
  );
  const record = { ...plain, spec: { ...plain.spec, networking } };
  store.prepare(record.id);
  await store.put(record, { durable: false });
  const recorded = () => Object.keys(store.get(record.id).spec.networking);
  /** From here on its record cannot be written. */
  const block = () => {
    const path = join(store.directory(record.id), 'record.json');
    return rm(path).then(() => mkdirSync(join(path, 'in-the-way'), { recursive: true }));
  };
  return { deps, id: record.id, live, state, recorded, block };
}

test('a disconnect that the kernel refuses leaves the record as it was', async () => {
  const { deps, id, live, state, recorded } = await host('kernel', ['a', 'b']);
  state.refuses = true;
  await assert.rejects(disconnect(deps, id, 'b', { force: false }), DOWN);
  assert.deepEqual(
    [[...live], recorded()],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  );
  state.refuses = false;
  await disconnect(deps, id, 'b', { force: false });
  assert.deepEqual([[...live], recorded()], [['a'], ['a']]);
});

test('where the record cannot be written, nothing is connected and nothing disconnected', async () => {
  const { deps, id, live, recorded, block } = await host('disk', ['a', 'b']);
  await block();
  await assert.rejects(disconnect(deps, id, 'b', { force: false }), { code: 'EISDIR' });
  await assert.rejects(connect(deps, id, { ...PLAIN_WISH, network: 'c' }), { code: 'EISDIR' });
  assert.deepEqual(
    [[...live], recorded()],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  );
});

test('a disconnect by force of a container that is not there says that its end is not', async () => {
  const { deps } = await host('gone', ['a']);
  const force = { force: true };
  await assert.rejects(disconnect(deps, 'nobody', 'a', force), {
    code: 'not_found',
    message: 'endpoint nobody not found',
  });
  await assert.rejects(
    disconnect(deps, 'nobody', 'a', { force: false }),
    /No such container: nobody/,
  );
});
