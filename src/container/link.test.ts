import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Trash } from '#base/trash.ts';
import { removeTrees } from '#snapshot/remove-tree.ts';
import type { Deps } from './deps.ts';
import { tellLinked } from './link.ts';
import { pathsOf } from './make-box.ts';
import type { Pid } from './state.ts';
import { ContainerStore } from './store.ts';
import { plainRecord } from './testing-record.ts';

const root = await mkdtemp(join(tmpdir(), 'coracle-link-'));
after(() => rm(root, { recursive: true, force: true }));

test('whose hosts file cannot be changed keeps neither the start nor others from it', async () => {
  const store = new ContainerStore(
    root,
    new Trash(removeTrees, (_, error) => assert.fail(`${error}`)),
  );
  await store.load();
  const other = plainRecord('a', { status: 'created' });
  for (const digit of ['b', 'c']) {
    const parent = plainRecord(digit, { status: 'running', pid: 7 as Pid, startedAt: 0n });
    store.prepare(parent.id);
    store.replace({ ...parent, links: [{ container: other.id, alias: 'db' }] });
  }
  const hosts = (digit: string) => pathsOf(join(root, digit.repeat(64)), digit.repeat(64)).hosts;
  mkdirSync(hosts('b'));
  const reported: string[] = [];
  const endpoint = { networkName: 'bridge', ip: '172.17.0.9', ip6: undefined };
  const deps = {
    store,
    networks: { sandbox: () => ({ endpoints: [endpoint] }) },
    report: (what: string) => reported.push(what),
  } as unknown as Deps;
  tellLinked(deps, other);
  assert.match(readFileSync(hosts('c'), 'utf8'), /^172\.17\.0\.9\tdb /m);
  assert.equal(reported.length, 1);
  assert.match(reported[0] ?? '', /bbbb/);
});
