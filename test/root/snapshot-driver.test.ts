// One suite over both storage drivers, and which one a daemon takes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startEngine } from '../../tools/private-engine.ts';
import { makeScratch, removeScratch } from '../../tools/scratch.ts';
import { cannotRun, startDaemon } from '../daemon.ts';
import { Bench, type DriverName, RULES } from './snapshot-suite.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const DRIVERS: readonly DriverName[] = ['overlay2', 'copy'];

for (const driver of DRIVERS) {
  for (const [sentence, rule] of Object.entries(RULES)) {
    test(`${driver}: ${sentence}`, { skip }, async () => {
      await using bench = await Bench.open(driver);
      await rule(bench);
    });
  }
}

test('with copies, images are run, committed, exported and removed as with overlayfs', {
  skip: cannotRun(),
}, async () => {
  await using daemon = await startDaemon(['--storage-driver', 'copy']);
  assert.equal(await daemon.ok('info', '-f', '{{.Driver}}'), 'copy');
  const script = 'echo x > /x; rm /bin/wget; echo y >> /etc/passwd; touch /tmp/t';
  await daemon.ok('run', '--net', 'none', '--name', 'copied', 'busybox', 'sh', '-c', script);
  const diff = await daemon.ok('diff', 'copied');
  assert.equal(diff, 'C /bin\nD /bin/wget\nC /etc\nC /etc/passwd\nC /tmp\nA /tmp/t\nA /x');
  await daemon.ok('commit', 'copied', 'made');
  const seen = [
    'run',
    '--rm',
    '--net',
    'none',
    'made',
    'sh',
    '-c',
    'cat /x; tail -1 /etc/passwd; ls /bin/wget 2>/dev/null; true',
  ];
  assert.equal(await daemon.ok(...seen), 'x\ny');
  await daemon.ok('cp', 'copied:/x', join(daemon.engine.directory, 'copied'));
  await daemon.ok('export', '-o', join(daemon.engine.directory, 'e.tar'), 'copied');
  await daemon.ok('rm', 'copied');
  await daemon.ok('rmi', 'made');
  assert.match(daemon.engine.log(), /^(?!.*"level":"error")/s);
});

test('where overlayfs cannot be mounted a daemon takes copies and says so; another one is refused', {
  skip,
}, async () => {
  const directory = makeScratch();
  try {
    // A data root on an overlay: no other overlay may have its top there.
    for (const name of ['lower', 'upper', 'work', 'data'])
      mkdirSync(join(directory, 'disk', name), { recursive: true });
    mkdirSync(join(directory, 'data'));
    const at = (name: string): string => join(directory, 'disk', name);
    const options = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, join(directory, 'data')]);
    {
      await using engine = await startEngine({ directory });
      assert.match(engine.log(), /overlayfs cannot be mounted on the data root, using copies/);
      const argv = ['run', '--rm', '--net', 'none', 'busybox', 'sh', '-c', 'rm /bin/wget; echo hi'];
      assert.equal(execFileSync('docker', argv, { env: engine.env }).toString(), 'hi\n');
    }
    const refused = startEngine({ directory, flags: ['--storage-driver', 'overlay2'] });
    await assert.rejects(
      refused,
      /was made with the storage driver copy: start with --storage-driver copy/,
    );
  } finally {
    removeScratch(directory);
  }
});
