// The engine under load and under kill -9: everything succeeds, nothing is left, nothing is wedged.
// CORACLE_STRESS_RUNS, CORACLE_STRESS_PARALLEL and CORACLE_STRESS_KILLS change how much of it.
// Alone: it takes every processor, and a daemon must be back in time.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, field } from '../../tools/api.ts';
import {
  makeEngineDirectory,
  type PrivateEngine,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { type Account, differences, takeAccount } from './account.ts';

const RUNS = Number(process.env['CORACLE_STRESS_RUNS'] ?? 200);
const PARALLEL = Number(process.env['CORACLE_STRESS_PARALLEL'] ?? 50);
const KILLS = Number(process.env['CORACLE_STRESS_KILLS'] ?? 30);
const WARM_RUNS = 30;
/** V8 still compiles and its heap finds its size in the first half of the runs; a leak goes on. */
const RESIDENT_GROWTH_KIB_MAX = 24 * 1024;
const RESTART_MS_MAX = 5_000;
const SETTLE_MS_MAX = 5_000;
/** On the default bridge, with a port of its own of the host. */
const published = (hostPort: number) => ({
  PortBindings: { '80/tcp': [{ HostPort: String(hostPort) }] },
});

const directory = makeEngineDirectory();
let engine: PrivateEngine;

before(async () => {
  engine = await startEngine({ directory });
});

after(async () => {
  await engine.kill('SIGTERM');
  engine = await startEngine({ directory });
  await removeEverything();
  await engine.kill('SIGTERM');
  removeEngineDirectory(directory);
});

async function removeEverything(): Promise<void> {
  using api = new Api(engine.socket, 4);
  const list = JSON.parse(await api.must('GET', '/containers/json?all=1')) as unknown[];
  const ids = list.map((each) => String(field(each, 'Id')));
  await Promise.all(
    ids.map(async (id) => {
      const answer = await api.send('DELETE', `/containers/${id}?force=1`);
      assert.ok([204, 404].includes(answer.status), `rm -f ${id}: ${answer.status} ${answer.body}`);
    }),
  );
}

async function runAndRemove(api: Api): Promise<void> {
  const id = await api.create({
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { ...published(20_000), AutoRemove: true },
  });
  const removed = api.must('POST', `/containers/${id}/wait?condition=removed`);
  await api.must('POST', `/containers/${id}/start`);
  assert.equal(field(JSON.parse(await removed), 'StatusCode'), 0);
}

/**
 * Files of removed containers are deleted behind the callers, and the agent makes its spare network
 * namespace when it has nothing else to do: looks until both are so.
 */
async function quietAccount(): Promise<Account> {
  const deadline = performance.now() + SETTLE_MS_MAX;
  for (let last = -1; ; ) {
    const found = takeAccount(engine);
    const left = found.files.filter((path) => path.includes('.gone-'));
    if (left.length === 0 && found.agentDescriptors === last) return found;
    last = found.agentDescriptors;
    assert.ok(performance.now() < deadline, left.join('\n'));
    await sleep(100);
  }
}

/** What is removed last may take a moment: looks until nothing differs, or the time is over. */
async function expectAccount(
  expected: Account,
  more: (found: Account) => readonly string[] = () => [],
): Promise<Account> {
  const deadline = performance.now() + SETTLE_MS_MAX;
  for (;;) {
    const found = takeAccount(engine);
    const leaks = [...differences(expected, found), ...more(found)];
    if (leaks.length === 0) return found;
    assert.ok(performance.now() < deadline, leaks.join('\n'));
    await sleep(50);
  }
}

test(`${RUNS} containers run and removed in a row leave the machine as it was`, async () => {
  using api = new Api(engine.socket, 2);
  for (let i = 0; i < WARM_RUNS; i += 1) await runAndRemove(api);
  const before = await quietAccount();
  for (let i = 0; i < RUNS / 2; i += 1) await runAndRemove(api);
  const half = takeAccount(engine).residentKiB;
  for (let i = 0; i < RUNS / 2; i += 1) await runAndRemove(api);
  const found = await expectAccount(before, (now) =>
    // Fewer is fine: what the last warm run held may have been closed since.
    (['daemonDescriptors', 'agentDescriptors'] as const).flatMap((kind) =>
      now[kind] > before[kind] ? [`${kind}: ${before[kind]} -> ${now[kind]}`] : [],
    ),
  );
  const growth = found.residentKiB - half;
  assert.ok(
    growth < RESIDENT_GROWTH_KIB_MAX,
    `the daemon grew by ${growth} KiB in the second half`,
  );
});

test(`${PARALLEL} containers at once all run, each with its own output and exit code`, async () => {
  using api = new Api(engine.socket, PARALLEL);
  const before = await quietAccount();
  const indices = Array.from({ length: PARALLEL }, (_, index) => index);
  await Promise.all(
    indices.map(async (index) => {
      const id = await api.create({
        Image: 'busybox',
        Cmd: ['sh', '-c', `echo number ${index}; exit ${index}`],
        HostConfig: published(21_000 + index),
      });
      await api.must('POST', `/containers/${id}/start`);
      const exit = JSON.parse(await api.must('POST', `/containers/${id}/wait`));
      assert.equal(field(exit, 'StatusCode'), index);
      const log = await api.must('GET', `/containers/${id}/logs?stdout=1`);
      assert.match(log, new RegExp(`number ${index}\n$`));
      await api.must('DELETE', `/containers/${id}`);
    }),
  );
  await expectAccount(before);
});

test('a container that ends while no daemon runs has its true exit code, time and log', async () => {
  let id: string;
  {
    using api = new Api(engine.socket);
    id = await api.create({
      Image: 'busybox',
      HostConfig: published(20_000),
      Cmd: ['sh', '-c', 'echo first; sleep 0.5; echo last; exit 7'],
    });
    await api.must('POST', `/containers/${id}/start`);
  }
  const killedAt = Date.now();
  await engine.kill('SIGKILL');
  await sleep(1_500);
  const startedAt = Date.now();
  engine = await startEngine({ directory });
  using api = new Api(engine.socket);
  const view = JSON.parse(await api.must('GET', `/containers/${id}/json`));
  assert.equal(field(view, 'State.Status'), 'exited');
  assert.equal(field(view, 'State.ExitCode'), 7);
  const finishedAt = Date.parse(String(field(view, 'State.FinishedAt')));
  assert.ok(finishedAt >= killedAt && finishedAt <= startedAt, `${finishedAt}`);
  assert.match(await api.must('GET', `/containers/${id}/logs?stdout=1`), /first\n[\s\S]*last\n/);
  await api.must('DELETE', `/containers/${id}`);
});

/** One client that goes through a container's life again and again until the daemon is gone. */
async function churn(api: Api, name: string, hostPort: number): Promise<void> {
  for (let i = 0; ; i += 1) {
    const command = i % 2 === 0 ? ['true'] : ['sleep', '1000'];
    const id = await api.create(
      { Image: 'busybox', Cmd: command, HostConfig: published(hostPort) },
      `${name}-${i}`,
    );
    await api.must('POST', `/containers/${id}/start`);
    await api.must('POST', `/containers/${id}/stop?t=0`);
    await api.must('DELETE', `/containers/${id}?force=1`);
  }
}

async function killDuringChurn(round: number): Promise<void> {
  using api = new Api(engine.socket, 8);
  const clients = Array.from({ length: 3 }, (_, index) =>
    churn(api, `r${round}-${index}`, 22_000 + 3 * round + index),
  );
  const ended = Promise.allSettled(clients);
  await sleep(5 + Math.random() * 120);
  await engine.kill('SIGKILL');
  for (const outcome of await ended) {
    // A client ends by the connection that broke; an answer with an error would be a finding.
    assert.ok(outcome.status === 'rejected');
    assert.doesNotMatch(String(outcome.reason), /: [45]\d\d /);
  }
}

/** Every container the engine knows is whole: it can be inspected, and runs if it says so. */
async function checkAll(api: Api): Promise<void> {
  const list = JSON.parse(await api.must('GET', '/containers/json?all=1')) as unknown[];
  for (const each of list) {
    const view = JSON.parse(await api.must('GET', `/containers/${field(each, 'Id')}/json`));
    const status = field(view, 'State.Status');
    assert.ok(['created', 'running', 'exited'].includes(String(status)), `${status}`);
    if (status !== 'running') continue;
    assert.ok(
      existsSync(`/proc/${field(view, 'State.Pid')}`),
      `${field(view, 'Name')} has no process`,
    );
  }
}

test(`kill -9 of the daemon at ${KILLS} random moments: nothing is wedged, lost or orphaned`, async () => {
  await removeEverything();
  {
    // The bridge and its rules are there from the first container on.
    using api = new Api(engine.socket, 2);
    await runAndRemove(api);
  }
  const before = await quietAccount();
  let heart: string;
  {
    using api = new Api(engine.socket);
    const beat = 'i=0; while true; do i=$((i+1)); echo "beat $i"; sleep 0.1; done';
    heart = await api.create(
      { Image: 'busybox', Cmd: ['sh', '-c', beat], HostConfig: published(20_001) },
      'heart',
    );
    await api.must('POST', `/containers/${heart}/start`);
  }
  for (let round = 0; round < KILLS; round += 1) {
    await killDuringChurn(round);
    engine = await startEngine({ directory });
    assert.ok(
      engine.startMs < RESTART_MS_MAX,
      `round ${round}: ${engine.startMs} ms to start again`,
    );
    assert.doesNotMatch(engine.log(), /"level":"error"/);
    using api = new Api(engine.socket);
    await checkAll(api);
  }
  using api = new Api(engine.socket);
  const log = await api.must('GET', `/containers/${heart}/logs?stdout=1`);
  const beats = [...log.matchAll(/beat (\d+)\n/g)].map((match) => Number(match[1]));
  assert.ok(beats.length > KILLS);
  assert.deepEqual(
    beats,
    beats.map((_, index) => index + 1),
    'the log has a gap',
  );
  await removeEverything();
  await expectAccount(before);
});
