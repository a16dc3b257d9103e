import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { KeyedLock } from '#base/keyed-lock.ts';
import { Trash } from '#base/trash.ts';
import { removeTrees } from '#snapshot/remove-tree.ts';
import type { Deps } from './deps.ts';
import { settleExit } from './exit.ts';
import { Lives } from './live.ts';
import type { HostConfig } from './spec.ts';
import type { Pid } from './state.ts';
import { ContainerStore } from './store.ts';
import type { OomVictim } from '#runtime/oom.ts';
import { plainRecord } from './testing-record.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-exit-'));
after(() => rm(root, { recursive: true, force: true }));
const trash = new Trash(removeTrees, (path, error) => assert.fail(`${path}: ${error}`));
let count = 0;

/** Only what an exit touches; asking for more is an error of the test. */
async function ended(host: Partial<HostConfig>, exitCode: number, victims?: readonly OomVictim[]) {
  const oomKills = victims === undefined ? 0 : 1;
  count += 1;
  const store = new ContainerStore(join(root, String(count)), trash);
  await store.load();
  const lives = new Lives();
  const told: string[] = [];
  const deps = {
    store,
    lives,
    locks: new KeyedLock(),
    settings: { runDirectory: join(root, 'run'), cgroupParent: '/x' },
    snapshots: { remove: async () => {} },
    networks: {
      close: async (id: string) => void told.push(`close ${id.slice(0, 4)}`),
      record: () => ({ id: 'n', name: 'none', driver: 'null' }),
    },
    events: {
      publish: ({ action, actor }: { action: string; actor: { attributes: object } }) =>
        told.push(
          /die|oom/.test(action) ? `${action} ${JSON.stringify(actor.attributes)}` : action,
        ),
    },
    oom: { total: () => 0, take: () => victims ?? [] },
    report: () => {},
  } as unknown as Deps;
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n }, host);
  store.prepare(record.id);
  await store.put(record, { durable: false });
  const answer = lives.of(record.id).exited.next();
  const finishedAt = 2_500_000_000n;
  const signal = exitCode > 128 ? exitCode - 128 : 0;
  const exit = { exitCode, signal, finishedAt, oomKilled: oomKills > 0, oomKills };
  await settleExit(deps, record, exit);
  const pending = lives.of(record.id).cancelRestart();
  return { told, record: store.find(record.id), answer: await answer, pending };
}

test('an exit is stored, told, and answers who waits', async () => {
  const { told, record, answer } = await ended({}, 3);
  assert.equal(record?.state.status, 'exited');
  assert.deepEqual(answer, { statusCode: 3, error: undefined });
  const attributes = { image: 'busybox', name: 'name_a', exitCode: '3', execDuration: '2' };
  assert.deepEqual(told, [`die ${JSON.stringify(attributes)}`, 'close aaaa', 'disconnect']);
});

test('out of memory is told before the end, with who was killed as the kernel says', async () => {
  const victim = { pid: 9, name: 'sh -c x', anonBytes: 4096, cgroup: '/c/a' };
  const { told, record } = await ended({}, 137, [victim]);
  const named = '"victimPid":"9","victimName":"sh -c x","victimAnonBytes":"4096"';
  assert.equal(told[0], `oom {"image":"busybox","name":"name_a",${named}}`);
  assert.match(told[1] ?? '', /^die .*"exitCode":"137"/);
  assert.ok(record?.state.status === 'exited' && record.state.exit.oomKilled);
});

test('where the kernel log may not be read, the victim is the process that ended', async () => {
  const { told } = await ended({}, 137, []);
  assert.match(told[0] ?? '', /^oom .*"victimPid":"7","victimName":"true"/);
  const other = await ended({}, 1, []);
  assert.equal(other.told[0], 'oom {"image":"busybox","name":"name_a"}');
});

test('--rm takes the container away after its end was told', async () => {
  const { told, record } = await ended({ autoRemove: true }, 0);
  assert.equal(record, undefined);
  assert.equal(told.at(-1), 'destroy');
});

test('a restart policy makes it wait for its next start', async () => {
  const restartPolicy = { name: 'always', maximumRetryCount: 0 } as const;
  const { record, pending } = await ended({ restartPolicy }, 0);
  assert.equal(record?.state.status, 'restarting');
  assert.equal(record.restartCount, 1);
  assert.equal(pending, true);
});
