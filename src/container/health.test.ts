import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delayMs, type Health, probeOf, STARTING, settleProbe } from './health.ts';

const CHECK = {
  test: ['CMD-SHELL', 'wget -q localhost'],
  interval: 0,
  timeout: 0,
  retries: 0,
  startPeriod: 0,
  startInterval: 0,
};
const MS = 1_000_000;

function probe(more: Partial<typeof CHECK> = {}) {
  const made = probeOf({ ...CHECK, ...more }, undefined);
  assert.ok(made !== undefined);
  return made;
}

function run(check: ReturnType<typeof probe>, codes: readonly number[], atMs = 0): Health {
  let health = STARTING;
  for (const exitCode of codes) {
    const result = { start: 1n, end: 2n, exitCode, output: '' };
    health = settleProbe(check, health, result, atMs);
  }
  return health;
}

test('a check has the defaults of Docker, and a shell command the shell of the container', () => {
  assert.deepEqual(probe(), {
    argv: ['/bin/sh', '-c', 'wget -q localhost'],
    intervalMs: 30_000,
    startIntervalMs: 5_000,
    startPeriodMs: 0,
    timeoutMs: 30_000,
    retries: 3,
  });
  const bash = probeOf(CHECK, ['/bin/bash', '-ec']);
  assert.deepEqual(bash?.argv, ['/bin/bash', '-ec', 'wget -q localhost']);
  assert.deepEqual(probe({ test: ['CMD', 'true', 'x'] }).argv, ['true', 'x']);
});

test('NONE and no test at all are no check', () => {
  assert.equal(probeOf(undefined, undefined), undefined);
  for (const words of [[], [''], ['NONE']]) {
    assert.equal(probeOf({ ...CHECK, test: words }, undefined), undefined);
  }
});

test('one success makes healthy; so many failures in a row as retries say make unhealthy', () => {
  const check = probe({ retries: 2 });
  assert.equal(run(check, [0]).status, 'healthy');
  assert.equal(run(check, [1]).status, 'starting');
  assert.equal(run(check, [1, 1]).status, 'unhealthy');
  assert.equal(run(check, [0, 1]).status, 'healthy');
  assert.equal(run(check, [0, 1, 0, 1]).failingStreak, 1);
  assert.equal(run(check, [0, 1, -1]).status, 'unhealthy');
  assert.equal(run(check, [1, 1, 0]).status, 'healthy');
});

test('failures in the start period count only after the first success', () => {
  const check = probe({ retries: 1, startPeriod: 1000 * MS });
  assert.deepEqual(run(check, [1, 1, 1], 999).failingStreak, 0);
  assert.equal(run(check, [0, 1], 999).status, 'unhealthy');
  assert.equal(run(check, [1], 1000).status, 'unhealthy');
});

test('the last five results are kept', () => {
  assert.equal(run(probe(), [1, 2, 3, 4, 5, 6, 7]).log[0]?.exitCode, 3);
  assert.equal(run(probe(), [1, 2, 3, 4, 5, 6, 7]).log.length, 5);
});

test('a starting container is probed more often in its start period', () => {
  const check = probe({ startPeriod: 9000 * MS, startInterval: 100 * MS, interval: 700 * MS });
  assert.equal(delayMs(check, STARTING, 0), 100);
  assert.equal(delayMs(check, STARTING, 9000), 700);
  assert.equal(delayMs(check, { ...STARTING, status: 'healthy' }, 0), 700);
});
