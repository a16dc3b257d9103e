// An engine of our own on private paths below one temporary folder, for the demonstration and the
// benchmark: built bundle, own socket and roots, so an installed engine or a Docker is not touched.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from './source.ts';

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 20_000;
const LOG_BYTES_MAX = 64 * 1024;

export type PrivateEngine = AsyncDisposable & {
  readonly directory: string;
  readonly socket: string;
  readonly host: string;
  readonly pid: number;
  /** The environment that points `coracle` and `docker` at this engine. */
  readonly env: NodeJS.ProcessEnv;
  /** The end of what the daemon wrote. */
  log(): string;
};

export async function startEngine(): Promise<PrivateEngine> {
  const directory = mkdtempSync(join(tmpdir(), 'coracle-'));
  const socket = join(directory, 'coracle.sock');
  const host = `unix://${socket}`;
  const child = spawn(
    join(ROOT, 'bin/coracle'),
    [
      'daemon', '-H', host, '--data-root', join(directory, 'data'),
      '--exec-root', join(directory, 'run'), '--pidfile', join(directory, 'coracle.pid'),
      '--cgroup-parent', `/coracle-${nameOf(directory)}`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let text = '';
  const keep = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-LOG_BYTES_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const deadline = performance.now() + START_MS_MAX;
  while (!/^listening on /m.test(text)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop(child, directory);
      throw new Error(`the engine did not start:\n${text}`);
    }
    await sleep(10);
  }
  return {
    directory,
    socket,
    host,
    pid: child.pid ?? 0,
    env: { ...process.env, DOCKER_HOST: host, CORACLE_HOST: host },
    log: () => text,
    [Symbol.asyncDispose]: () => stop(child, directory),
  };
}

function nameOf(directory: string): string {
  return directory.replace(/^.*coracle-/, '');
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit', { signal: AbortSignal.timeout(STOP_MS_MAX) });
    child.kill('SIGTERM');
    await gone.catch(() => child.kill('SIGKILL'));
  }
  rmSync(directory, { recursive: true, force: true });
}
