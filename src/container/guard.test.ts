import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { guard } from './guard.ts';
import { allows, type Pid, type State, type Status, VERBS, type Verb } from './state.ts';
import { plainRecord } from './testing-record.ts';

const exit = { exitCode: 0, oomKilled: false, error: '', finishedAt: 2n };
const STATES: Readonly<Record<Status, State>> = {
  created: { status: 'created' },
  running: { status: 'running', pid: 1 as Pid, startedAt: 1n },
  paused: { status: 'paused', pid: 1 as Pid, startedAt: 1n, forCommit: false },
  restarting: { status: 'restarting', exit, startedAt: 1n },
  exited: { status: 'exited', exit, startedAt: 1n },
  removing: { status: 'removing', before: { status: 'created' } },
  dead: { status: 'dead', error: '' },
};
const ALL: readonly Verb[] = [
  'start',
  'stop',
  'kill',
  'pause',
  'unpause',
  'exec',
  'restart',
  'rename',
  'remove',
  'resize',
  'attach',
  'update',
  'top',
];

test('each state lets through exactly its verbs, and refuses the others with a text', () => {
  for (const status of Object.keys(VERBS) as Status[]) {
    const record = plainRecord('a', STATES[status]);
    for (const verb of ALL) {
      const ask = () => guard(record, verb, 'web');
      if (allows(status, verb)) assert.doesNotThrow(ask);
      else {
        assert.throws(ask, (error) => {
          assert.ok(error instanceof EngineError, `${status} ${verb}`);
          assert.match(error.code, /^(conflict|not_modified)$/);
          return error.message !== '';
        });
      }
    }
  }
});

test('the texts are those that clients know', () => {
  const id = 'a'.repeat(64);
  const refused = (status: Status, verb: Verb, message: string, code = 'conflict') =>
    assert.throws(() => guard(plainRecord('a', STATES[status]), verb, 'web'), { code, message });
  refused('running', 'start', 'container is already running', 'not_modified');
  refused('exited', 'stop', 'container is already stopped', 'not_modified');
  refused('paused', 'start', 'cannot start a paused container, try unpause instead');
  refused('exited', 'kill', `container ${id} is not running`);
  refused('paused', 'pause', `container ${id} is already paused`);
  refused('running', 'unpause', `Container ${id} is not paused`);
  refused('exited', 'exec', `container ${id} is not running`);
  refused('paused', 'exec', 'Container web is paused, unpause the container before exec');
  refused('removing', 'remove', 'removal of container web is already in progress');
  refused(
    'running',
    'remove',
    'cannot remove container "/name_a": container is running: ' +
      'stop the container before removing or force remove',
  );
});
