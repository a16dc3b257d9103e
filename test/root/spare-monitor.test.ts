// Monitors that are forked before their container is known: it cannot be told from one that had its
// monitor forked for it, and a spare that nobody gets leaves nothing. Needs root and `make build`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { descendants } from '../../bench/measure.ts';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { must as mustCall, until } from './engine-call.ts';

/** One with a network namespace, one without. */
const SPARES = 2;
const POLL_MS = 5;
const directory = makeEngineDirectory();
let engine: PrivateEngine;

before(async () => {
  engine = await startEngine({ directory });
});

after(async () => {
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

const named = (wanted: string): readonly number[] =>
  descendants(engine.pid)
    .filter(({ name }) => name === wanted)
    .map(({ pid }) => pid);

async function spares(): Promise<readonly number[]> {
  await until(
    () => 'there are no spares',
    () => named('coracle-spare').length === SPARES,
  );
  return named('coracle-spare');
}

const must = (method: string, path: string, json?: unknown): Promise<string> =>
  mustCall(engine.socket, method, path, json);

async function start(network: string): Promise<string> {
  const made = await must('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['sh', '-c', 'trap "exit 7" TERM; echo ready; sleep 100 & wait'],
    HostConfig: { NetworkMode: network },
  });
  const id = (JSON.parse(made) as { Id: string }).Id;
  await must('POST', `/containers/${id}/start`);
  const logs = `/containers/${id}/logs?stdout=1`;
  while (!(await must('GET', logs)).includes('ready')) await sleep(POLL_MS);
  return id;
}

async function stateOf(id: string): Promise<Record<string, unknown>> {
  const text = await must('GET', `/containers/${id}/json`);
  return (JSON.parse(text) as { State: Record<string, unknown> }).State;
}

function parentOf(pid: unknown): number {
  const status = readFileSync(`/proc/${Number(pid)}/status`, 'utf8');
  return Number(/^PPid:\t(\d+)/m.exec(status)?.[1]);
}

test('a container gets the monitor of its kind, and goes on with it without its daemon', async () => {
  const ready = await spares();
  const ids = [await start('none'), await start('bridge')];
  const parents: number[] = [];
  for (const id of ids) parents.push(parentOf((await stateOf(id))['Pid']));
  assert.deepEqual(parents.toSorted(), ready.toSorted());
  assert.deepEqual(named('coracle-monitor').toSorted(), ready.toSorted());
  await engine.kill('SIGKILL');
  engine = await startEngine({ directory });
  for (const id of ids) {
    assert.equal((await stateOf(id))['Status'], 'running');
    await must('POST', `/containers/${id}/stop`);
    assert.equal((await stateOf(id))['ExitCode'], 7);
    await must('DELETE', `/containers/${id}`);
  }
});

test('a container that ends while there is no daemon is found ended, by its name of now', async () => {
  await spares();
  const id = await start('none');
  await must('POST', `/containers/${id}/rename?name=renamed`);
  const { Pid } = await stateOf(id);
  await engine.kill('SIGKILL');
  process.kill(Number(Pid), 'SIGTERM');
  await until(
    () => 'the container goes on',
    () => !alive(Number(Pid)),
  );
  engine = await startEngine({ directory });
  const state = await stateOf('renamed');
  assert.deepEqual([state['Status'], state['ExitCode']], ['exited', 7]);
  await must('DELETE', `/containers/${id}`);
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a spare that was killed is nobody’s monitor, and another takes its place', async () => {
  const ready = await spares();
  for (const pid of ready) process.kill(pid, 'SIGKILL');
  await until(
    () => 'the killed ones are there',
    () => !ready.some(alive),
  );
  for (const network of ['none', 'bridge']) {
    const id = await start(network);
    assert.equal((await stateOf(id))['Status'], 'running');
    await must('DELETE', `/containers/${id}?force=1`);
  }
  await spares();
});

test('spares end with their daemon, however that ends', async () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const ready = await spares();
    await engine.kill(signal);
    await until(
      () => `spares outlive a daemon after ${signal}`,
      () => !ready.some(alive),
    );
    engine = await startEngine({ directory });
  }
});
