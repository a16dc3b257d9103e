// The engines that the tests themselves start leave nothing on the machine, also when a test was
// given up or killed.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeEngineDirectory, removeEngineDirectory } from '../../tools/private-engine.ts';
import { cgroupsOf } from '../../tools/scratch.ts';
import { runProgram } from '../daemon.ts';

const HOLDER = join(import.meta.dirname, '../fixture/engine-holder.ts');
const skip = process.getuid?.() === 0 ? false : 'needs root';
const children: ChildProcess[] = [];

after(() => {
  for (const child of children) child.kill('SIGTERM');
});

/** Another process with an engine of its own, in which a paused container is. */
async function startHolder() {
  const child = spawn(process.execPath, [HOLDER], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(child.stdout, 'data');
  const directory = String(line).trim();
  return { directory, daemon: Number(readFileSync(join(directory, 'coracle.pid'), 'utf8')), child };
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  const exited = once(child, 'exit');
  child.kill(signal);
  const [code] = await exited;
  return code;
}

function remains(directory: string): readonly string[] {
  return [
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(directory)),
    ...cgroupsOf(directory),
    ...(existsSync(directory) ? [directory] : []),
  ];
}

/** Not so of one that only waits for its parent to take notice of its end. */
function isRunning(pid: number): boolean {
  try {
    return /\) [^ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('an engine goes with the process that a signal ends', { skip }, async () => {
  const { directory, daemon, child } = await startHolder();
  assert.ok(remains(directory).length > 2);
  assert.equal(await end(child, 'SIGTERM'), 143);
  assert.deepEqual(remains(directory), []);
  assert.ok(!isRunning(daemon));
});

test('what a killed process left goes with the next engine, and nobody else’s does', {
  skip,
}, async () => {
  const [killed, living] = await Promise.all([startHolder(), startHolder()]);
  await end(killed.child, 'SIGKILL');
  assert.ok(isRunning(killed.daemon));
  removeEngineDirectory(makeEngineDirectory());
  assert.deepEqual(remains(killed.directory), []);
  assert.ok(!isRunning(killed.daemon));
  assert.ok(remains(living.directory).length > 2 && isRunning(living.daemon));
  await end(living.child, 'SIGTERM');
  assert.deepEqual(remains(living.directory), []);
});

/** What a shell leaves: long against anything that a busy machine may take. */
const LEFT_SECONDS = 60;

test('a command of a test that takes too long ends with all that it started', async () => {
  // The second process has the output open: only the end of both ends the first's output.
  const argv = ['sh', '-c', `echo $$; sleep ${LEFT_SECONDS}; true`];
  const startedAt = performance.now();
  const { code, stdout } = await runProgram(argv, process.env, { timeoutMs: 1_000 });
  assert.equal(code, 137);
  assert.match(stdout, /^\d+\n$/);
  assert.ok(
    performance.now() - startedAt < (LEFT_SECONDS * 1000) / 2,
    'it waited for what the shell had started',
  );
});
