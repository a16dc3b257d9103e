// What listing containers costs: of a thousand, only what is looked at is made.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect, list } from './inspect.ts';
import { Lives } from './live.ts';
import type { ContainerRecord } from './record.ts';
import { plainRecord } from './testing-record.ts';

function host(records: readonly ContainerRecord[]) {
  const asked: string[] = [];
  const find = (ref: string) => records.find(({ id, name }) => id === ref || name === ref);
  const deps = {
    store: {
      list: () => {
        asked.push('list');
        return records;
      },
      get: find,
      find,
      directory: (id: string) => `/c/${id}`,
    },
    lives: new Lives(),
    snapshots: {
      driver: 'overlay2',
      graph: (id: string) => {
        asked.push('graph');
        return { UpperDir: `/t/${id}` };
      },
    },
    slices: {
      place: () => {
        asked.push('place');
        return { slice: undefined, parent: '/coracle' };
      },
    },
    settings: { cgroupName: (id: string) => id },
    networks: { sandbox: () => undefined },
  };
  return { deps: deps as unknown as Parameters<typeof list>[0], asked };
}

const web = plainRecord('a', { status: 'created' });
const db = plainRecord('b', { status: 'created' });
const linked = { ...web, links: [{ container: db.id, alias: 'database' }] };

test('a list makes no paths, no layers and no cgroups of containers that nobody looks at', () => {
  const { deps, asked } = host([linked, db]);
  const views = list(deps);
  assert.deepEqual(
    views.map(({ name, state, createdAt }) => [name, state.status, createdAt]),
    [web, db].map(({ name, createdAt }) => [name, 'created', createdAt]),
  );
  assert.deepEqual(asked, ['list']);
  assert.equal(views[1]?.graph['UpperDir'], `/t/${db.id}`);
  assert.equal(views[1]?.cgroupPath, `/coracle/${db.id}`);
  assert.equal(views[1]?.paths.hosts, `/c/${db.id}/hosts`);
});

test('the names that links give are found once a list, and not at all by who does not ask', () => {
  const { deps, asked } = host([linked, db]);
  const views = list(deps);
  assert.deepEqual(
    views.map(({ linkedAs }) => linkedAs),
    [[], [`/${web.name}/database`]],
  );
  assert.deepEqual(asked, ['list', 'list']);
  const view = inspect(deps, web.id);
  assert.deepEqual(view.links, [`/${db.name}:/${web.name}/database`]);
  assert.deepEqual(asked, ['list', 'list']);
});

test('looking at a container makes nothing that its removal would leave', () => {
  const { deps } = host([web]);
  assert.deepEqual(inspect(deps, web.id).execIds, []);
  assert.equal(deps.lives.find(web.id), undefined);
});
