import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerView } from '#container/engine.ts';
import { formatAge } from './age.ts';
import { matchPattern } from './match-pattern.ts';
import { statusText } from './render-state.ts';

const SECOND = 1_000_000_000n;

test('an age is told in the words of go-units', () => {
  const cases = [
    [0n, 'Less than a second'],
    [1n, '1 second'],
    [59n, '59 seconds'],
    [60n, 'About a minute'],
    [119n, 'About a minute'],
    [120n, '2 minutes'],
    [59n * 60n, '59 minutes'],
    [60n * 60n, 'About an hour'],
    [100n * 60n, '2 hours'],
    [47n * 3600n, '47 hours'],
    [48n * 3600n, '2 days'],
    [14n * 86_400n, '2 weeks'],
    [60n * 86_400n, '2 months'],
    [730n * 86_400n, '2 years'],
  ] as const;
  for (const [seconds, text] of cases) assert.equal(formatAge(seconds * SECOND), text);
});

test('the Status column of ps', () => {
  const now = 1000n * SECOND;
  const exit = { exitCode: 3, oomKilled: false, error: '', finishedAt: now - 120n * SECOND };
  const text = (state: ContainerView['state']): string =>
    statusText({ state } as ContainerView, now);
  const pid = 7 as never;
  assert.equal(text({ status: 'created' }), 'Created');
  assert.equal(text({ status: 'running', pid, startedAt: now - 5n * SECOND }), 'Up 5 seconds');
  assert.equal(
    text({ status: 'paused', pid, startedAt: now - 120n * SECOND, forCommit: false }),
    'Up 2 minutes (Paused)',
  );
  assert.equal(text({ status: 'exited', exit, startedAt: 0n }), 'Exited (3) 2 minutes ago');
  assert.equal(text({ status: 'restarting', exit, startedAt: 0n }), 'Restarting (3) 2 minutes ago');
  assert.equal(text({ status: 'removing', before: { status: 'created' } }), 'Removal In Progress');
  assert.equal(text({ status: 'dead', error: '' }), 'Dead');
});

test('a name filter is a regular expression whose cost is bounded', () => {
  assert.equal(matchPattern('we', 'web'), true);
  assert.equal(matchPattern('^web$', 'web'), true);
  assert.equal(matchPattern('^(web|db)$', 'db'), true);
  assert.equal(matchPattern('w.*b', 'xweb'), true);
  assert.equal(matchPattern('^eb', 'web'), false);
  for (const bad of ['(a+)+$', 'a*a*a*a*a*', '[', `${'x'.repeat(300)}.`]) {
    assert.throws(() => matchPattern(bad, 'aaaa'), { code: 'invalid_argument' });
  }
});
