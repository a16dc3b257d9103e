import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deps } from './deps.ts';
import { openLayer } from './layer-visit.ts';
import { Lives } from './live.ts';
import type { Pid } from './state.ts';
import { plainRecord } from './testing-record.ts';
import { VISITS_MAX } from './visit.ts';

test('looks at layers are as many at once as any others', async () => {
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n });
  let [open, lost] = [0, false];
  const files = () => ({
    kill: () => {},
    [Symbol.asyncDispose]: async () => {
      open -= 1;
    },
  });
  const layer = async (): Promise<ReturnType<typeof files>> => {
    if (lost) throw new Error('no process');
    open += 1;
    return files();
  };
  const deps = {
    store: { get: () => record },
    lives: new Lives(),
    snapshots: { written: () => ({ path: '/top', lower: [], marks: true }) },
    visits: { layer },
  } as unknown as Deps;
  await using later = new AsyncDisposableStack();
  const look = () => openLayer(deps, record.id, later);
  lost = true;
  for (let looks = 0; looks <= VISITS_MAX; looks += 1) await assert.rejects(look(), /no process/);
  lost = false;
  for (let looks = 0; looks < VISITS_MAX; looks += 1) await look();
  await assert.rejects(look(), { code: 'unavailable', facts: { limit: 'VISITS_MAX', max: 64 } });
  await later.disposeAsync();
  assert.equal(open, 0);
  await using again = new AsyncDisposableStack();
  await openLayer(deps, record.id, again);
});
