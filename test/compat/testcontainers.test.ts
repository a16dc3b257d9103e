// testcontainers-node as people use it: every wait strategy, networks, files, commands, reuse. Its
// reaper is disabled, because it is an image of a registry; each scenario removes what it made.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { NAMES } from '../fixture/testcontainers.ts';

const skip = cannotRun();
const RUN_MS_MAX = 120_000;

let daemon: Daemon;
/** By scenario: '' or what went wrong. */
const outcomes = new Map<string, string>();

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  const program = join(ROOT, 'test/fixture/testcontainers.ts');
  const { stderr, stdout } = await daemon.run(
    ['nsenter', `--net=${daemon.engine.namespace}`, process.execPath, program, 'run'],
    {
      timeoutMs: RUN_MS_MAX,
      env: { TESTCONTAINERS_RYUK_DISABLED: 'true', TESTCONTAINERS_REUSE_ENABLE: 'true' },
    },
  );
  for (const line of stdout.split('\n')) {
    if (line === '') continue;
    const { error, name } = JSON.parse(line) as { error: string; name: string };
    outcomes.set(name, error);
  }
  assert.equal(outcomes.size, NAMES.length, stderr);
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

for (const name of NAMES) {
  test(`testcontainers ${name}`, { skip }, () => {
    assert.equal(outcomes.get(name), '');
  });
}

test('nothing is left of them', { skip }, async () => {
  assert.equal(await daemon.ok('ps', '-aq'), '');
  assert.equal(await daemon.ok('network', 'ls', '-q', '--filter', 'type=custom'), '');
});
