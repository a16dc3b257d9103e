import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Activity } from './activity.ts';
import type { NetworkDrivers } from './driver/drivers.ts';
import type { NetworkRecord } from './engine.ts';

const NET = { id: 'n', name: 'net', driver: 'bridge' } as NetworkRecord;

function world() {
  const log: string[] = [];
  const state = { isThere: false, refusesRules: false, keepsBridge: false };
  const bridge = {
    bridge: () => 'br',
    activate: async (_record: NetworkRecord, { again }: { readonly again: boolean }) => {
      await Promise.resolve();
      log.push(again ? 'look' : 'activate');
      const made = !state.isThere;
      state.isThere = true;
      return made;
    },
    deactivate: async () => {
      if (state.keepsBridge) throw new Error('no way');
      state.isThere = false;
      log.push('deactivate');
    },
  };
  const activity = new Activity({ bridge } as unknown as NetworkDrivers, {
    networkUp: async () => {
      if (state.refusesRules) throw new Error('no rules');
      log.push('rules');
    },
    networkDown: async () => void log.push('no rules'),
  });
  return { log, state, activity };
}

test('containers that start at once make their network once', async () => {
  const { log, activity } = world();
  await Promise.all([activity.up(NET), activity.up(NET), activity.up(NET)]);
  assert.deepEqual(log, ['activate', 'rules']);
  assert.equal(activity.up(NET), undefined);
});

test('a network that somebody holds cannot leave, and one that leaves cannot be held', () => {
  const { activity } = world();
  activity.hold(NET);
  assert.equal(activity.leave(NET), false);
  activity.release(NET);
  assert.equal(activity.leave(NET), true);
  assert.throws(() => activity.hold(NET), { code: 'not_found', message: 'network net not found' });
  activity.stay(NET);
  activity.hold(NET);
  assert.equal(activity.holds(NET), 1);
});

test('a bridge without its rules is taken away again', async () => {
  const { log, state, activity } = world();
  state.refusesRules = true;
  await assert.rejects(Promise.resolve(activity.up(NET)), { message: 'no rules' });
  assert.deepEqual(log, ['activate', 'deactivate']);
  assert.equal(activity.isUp(NET), false);
  state.refusesRules = false;
  await activity.up(NET);
  assert.equal(activity.isUp(NET), true);
});

test('who finds it missing makes it, and all others see that it is a new one', async () => {
  const { log, state, activity } = world();
  await activity.up(NET);
  const before = activity.generation(NET);
  assert.equal(await activity.again(NET), false);
  assert.equal(activity.generation(NET), before);
  state.isThere = false;
  const answers = await Promise.all([activity.again(NET), activity.again(NET)]);
  assert.deepEqual(answers, [true, false]);
  assert.notEqual(activity.generation(NET), before);
  assert.deepEqual(log, ['activate', 'rules', 'look', 'look', 'rules', 'look']);
  await activity.down(NET);
  assert.deepEqual(log.slice(-2), ['no rules', 'deactivate']);
  assert.equal(activity.isUp(NET), false);
});

test('a network that could not be taken away has its rules again when somebody comes', async () => {
  const { log, state, activity } = world();
  await activity.up(NET);
  state.keepsBridge = true;
  await assert.rejects(activity.down(NET), { message: 'no way' });
  state.keepsBridge = false;
  log.length = 0;
  await activity.up(NET);
  assert.deepEqual(log, ['activate', 'rules']);
});
