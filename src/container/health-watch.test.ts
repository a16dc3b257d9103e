import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { EventBus } from '#event/bus.ts';
import { type HealthDeps, RESTART_LABEL, watchHealth } from './health-watch.ts';
import { Lives } from './live.ts';
import type { Pid } from './state.ts';
import { plainRecord } from './testing-record.ts';

const CHECK = {
  test: ['CMD', 'true'],
  interval: 1e9,
  timeout: 1e9,
  retries: 1,
  startPeriod: 0,
  startInterval: 0,
};

type Wish = {
  /** Its probes end at once. */
  readonly ends: boolean;
  readonly exitCode?: number;
  /** Of a container that is restarted when it is unhealthy. */
  readonly restart?: () => Promise<void>;
};

/** A running container that is probed once a second. */
function watched(t: TestContext, { ends, exitCode = 0, restart }: Wish) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const plain = plainRecord('a', { status: 'running', pid: 7 as Pid, startedAt: 0n });
  const labels = restart === undefined ? {} : { [RESTART_LABEL]: 'true' };
  const record = { ...plain, merged: { ...plain.merged, healthcheck: CHECK, labels } };
  const [signals, reports]: [AbortSignal[], unknown[]] = [[], []];
  const [events, lives] = [new EventBus(), new Lives()];
  const deps = {
    events,
    lives,
    store: { find: () => record, list: () => [record] },
    report: (_what: string, problem: unknown) => reports.push(problem),
    engine: {
      execCreate: async () => 'probe',
      execStart: async (_id: string, _how: unknown, signal: AbortSignal) => {
        signals.push(signal);
        const stream = new Duplex({ read: () => {} });
        if (ends) stream.push(null);
        const destroy = (): unknown => stream.destroy();
        signal.addEventListener('abort', destroy);
        stream.once('close', () => signal.removeEventListener('abort', destroy));
        return { stream, tty: false };
      },
      execInspect: () => ({ exitCode }),
      restart,
    },
    probes: { begun: 0, failed: 0 },
  } as unknown as HealthDeps;
  const watch = watchHealth(deps);
  t.after(() => watch[Symbol.dispose]());
  const pass = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    for (let turns = 0; turns < 5; turns += 1) await turn();
  };
  const health = () => lives.of(record.id).health;
  return { id: record.id, signals, reports, events, pass, health };
}

test('probes leave nothing behind, however many there are', async (t) => {
  const { signals, pass, health } = watched(t, { ends: true });
  for (let probes = 0; probes < 10; probes += 1) await pass(1000);
  assert.equal(signals.length, 10);
  assert.equal(health()?.status, 'healthy');
  const [signal] = signals;
  assert.ok(signal !== undefined);
  assert.equal(getEventListeners(signal, 'abort').length, 1); // the wait for the next one
});

test('a probe whose output stays open after its time says that it took too long', async (t) => {
  const { pass, health, reports } = watched(t, { ends: false });
  await pass(1000);
  await pass(1000);
  await pass(2000);
  assert.equal(health()?.log[0]?.output, 'Health check exceeded timeout (1s)');
  assert.deepEqual(reports, []);
});

test('a probe that a pause ends is no trouble to report', async (t) => {
  const { id, events, pass, health, reports } = watched(t, { ends: false });
  await pass(1000);
  events.publish({ type: 'container', action: 'pause', actor: { id, attributes: {} } });
  await pass(0);
  assert.deepEqual(reports, []);
  assert.equal(health(), undefined);
});

test('a restart of what is unhealthy that fails is tried again after the next probe', async (t) => {
  let tries = 0;
  const restart = async (): Promise<void> => {
    tries += 1;
    throw new Error('did not receive an exit event');
  };
  const { pass, health, reports } = watched(t, { ends: true, exitCode: 1, restart });
  for (let probes = 0; probes < 3; probes += 1) await pass(1000);
  assert.equal(tries, 3);
  assert.equal(reports.length, 3);
  assert.equal(health()?.failingStreak, 3);
});
