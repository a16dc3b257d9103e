import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Deps } from './deps.ts';
import type { ExecSpec } from './engine.ts';
import { execCreate, Execs, execStart } from './exec.ts';
import { Lives } from './live.ts';
import type { Task } from './port.ts';
import type { Pid } from './state.ts';
import { plainRecord } from './testing-record.ts';

const SPEC: ExecSpec = {
  cmd: ['true'],
  env: [],
  workingDir: '',
  user: '',
  privileged: false,
  tty: false,
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  detachKeys: '',
  consoleSize: undefined,
};

test('an exec that nobody started goes with the end of its container', () => {
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n });
  const told: string[] = [];
  const deps = {
    store: { get: () => record, find: () => record },
    lives: new Lives(),
    events: { publish: ({ action }: { readonly action: string }) => told.push(action) },
    execs: new Execs(),
  } as unknown as Deps & { readonly execs: Execs };
  const id = execCreate(deps, record.id, SPEC);
  const { execs } = deps.lives.of(record.id);
  for (const exec of execs.values()) exec.containerEnded();
  assert.equal(execs.size, 0);
  assert.throws(() => deps.execs.get(id), { code: 'not_found' });
  assert.deepEqual(told, ['exec_create: true ']);
});

test('a signal for many execs keeps none that has ended', async () => {
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n });
  const lives = new Lives();
  lives.of(record.id).task = {
    exec: async () => ({ pid: 8, stream: new PassThrough().end(), exit: new Promise(() => {}) }),
  } as unknown as Task;
  const deps = {
    store: { get: () => record },
    lives,
    events: { publish: () => {} },
    execs: new Execs(),
  } as unknown as Deps & { readonly execs: Execs };
  const { signal } = new AbortController();
  const id = execCreate(deps, record.id, SPEC);
  const options = { detach: false, consoleSize: undefined };
  const session = await execStart(deps, id, options, signal);
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  assert.ok(session !== undefined);
  const closed = once(session.stream, 'close');
  session.stream.resume().end();
  await closed;
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});
