import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Deps } from './deps.ts';
import type { ExecSpec } from './engine.ts';
import { execCreate, Execs, execStart } from './exec.ts';
import { Lives } from './live.ts';
import type { ExecTask, Task } from './port.ts';
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

test('an exec that nobody started goes with the end of its container', async () => {
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n });
  const told: string[] = [];
  const deps = {
    store: { get: () => record, find: () => record },
    lives: new Lives(),
    events: { publish: ({ action }: { readonly action: string }) => told.push(action) },
    execs: new Execs(),
  } as unknown as Deps & { readonly execs: Execs };
  const id = await execCreate(deps, record.id, SPEC);
  const { execs } = deps.lives.of(record.id);
  for (const exec of execs.values()) exec.containerEnded();
  assert.equal(execs.size, 0);
  assert.throws(() => deps.execs.get(id), { code: 'not_found' });
  assert.deepEqual(told, ['exec_create: true ']);
});

/** An exec that is started, whose process ends when `exit` says so. */
async function started(exit: ExecTask['exit'], signal = new AbortController().signal) {
  const record = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n });
  const lives = new Lives();
  const inner = new PassThrough();
  lives.of(record.id).task = {
    exec: async () => ({ pid: 8, stream: inner, exit }),
  } as unknown as Task;
  const deps = {
    store: { get: () => record, find: () => record },
    lives,
    events: { publish: () => {} },
    execs: new Execs(),
  } as unknown as Deps & { readonly execs: Execs };
  const id = await execCreate(deps, record.id, SPEC);
  const options = { detach: false, consoleSize: undefined };
  const session = await execStart(deps, id, options, signal);
  assert.ok(session !== undefined);
  return { exec: deps.execs.get(id), inner, stream: session.stream };
}

test('a signal for many execs keeps none that has ended', async () => {
  const { signal } = new AbortController();
  const { stream } = await started(new Promise(() => {}), signal);
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  const closed = once(stream, 'close');
  stream.destroy();
  await closed;
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('the output of an exec ends when its exit code is known, not before', async () => {
  const exit = Promise.withResolvers<Awaited<ExecTask['exit']>>();
  const { exec, inner, stream } = await started(exit.promise);
  const codes: unknown[] = [];
  stream.on('end', () => codes.push(exec.exitCode)).resume();
  inner.end('all that it says');
  await once(inner, 'end');
  await turn();
  assert.deepEqual(codes, []);
  exit.resolve({ exitCode: 3, signal: 0, finishedAt: 0n });
  await once(stream, 'end');
  assert.deepEqual(codes, [3]);
});
