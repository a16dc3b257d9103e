import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deps } from './deps.ts';
import { branchesOf } from './branches.ts';
import { openLayer } from './layer-visit.ts';
import { Lives } from './live.ts';
import type { Pid } from './state.ts';
import { plainRecord } from './testing-record.ts';
import { VISITS_MAX } from './visit.ts';

const HELD = { [Symbol.asyncDispose]: async () => {} };

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
    snapshots: {
      hold: async () => HELD,
      written: () => ({ path: '/top', lower: [], marks: true }),
    },
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

for (const moment of ['while it is opened', 'while it is read'] as const) {
  test(`a container that is removed ${moment} ends a look at its layer, which says so`, async () => {
    const record = plainRecord('a', { status: 'created' });
    const lives = new Lives();
    const remove = () => lives.of(record.id).cutVisits('the container is removed');
    let killed = false;
    const files = {
      kill: () => {
        killed = true;
      },
      walk: async function* () {
        if (moment === 'while it is read') remove();
        if (killed) throw new Error('ended with SIGKILL');
        yield [];
      },
      [Symbol.asyncDispose]: async () => {},
    };
    const deps = {
      store: { get: () => record, list: () => [] },
      lives,
      snapshots: {
        hold: async () => HELD,
        written: () => ({ path: '/top', lower: [], marks: true }),
        branches: () => [],
      },
      visits: {
        layer: async () => {
          if (moment === 'while it is opened') remove();
          return files;
        },
      },
    } as unknown as Deps;
    const message = `copying files of container ${record.id} was ended: the container is removed`;
    await assert.rejects(branchesOf(deps, record), { code: 'unavailable', message });
    assert.equal(lives.of(record.id).visits.size, 0);
  });
}
