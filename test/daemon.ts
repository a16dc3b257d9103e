// The fixture of tests that need a whole engine: a daemon on private paths below one temporary
// folder, a command line against it, and a teardown that leaves nothing, also when the test failed.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type PrivateEngine, startEngine } from '../tools/private-engine.ts';

/** A command that takes longer hangs: it is killed, and the test fails by its code. */
const COMMAND_MS_MAX = 30_000;

export type Result = {
  /** 128+n for a signal, as a shell says it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
};

export type RunOptions = {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
};

export type Daemon = AsyncDisposable & {
  readonly engine: PrivateEngine;
  /** Runs a program whose DOCKER_HOST and CORACLE_HOST are this daemon. */
  run(argv: readonly string[], options?: RunOptions): Promise<Result>;
  /** `docker ...` */
  docker(...argv: readonly string[]): Promise<Result>;
  /** `docker ...`, which must succeed; its standard output without the last newline. */
  ok(...argv: readonly string[]): Promise<string>;
  /** The API itself. */
  api(method: string, path: string, body?: unknown): Promise<Reply>;
};

export type Reply = { readonly status: number; readonly json: unknown };

/** Why such tests cannot run here; false when they can. For the `skip` option of a test. */
export function cannotRun(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('docker', ['--version']).status !== 0) return 'needs the docker CLI';
  return false;
}

export async function startDaemon(flags: readonly string[] = []): Promise<Daemon> {
  const engine = await startEngine({ flags });
  const run: Daemon['run'] = (argv, options = {}) => runProgram(argv, engine.env, options);
  const docker: Daemon['docker'] = (...argv) => run(['docker', ...argv]);
  const api: Daemon['api'] = (method, path, body) => call(engine.socket, method, path, body);
  return {
    engine,
    run,
    docker,
    api,
    ok: async (...argv) => {
      const { code, stdout, stderr } = await docker(...argv);
      if (code !== 0) {
        throw new Error(`docker ${argv.join(' ')} ended with ${code}: ${stderr}\n${engine.log()}`);
      }
      return stdout.replace(/\n$/, '');
    },
    [Symbol.asyncDispose]: async () => {
      // Containers outlive their daemon by design, so they go first.
      try {
        const { json } = await api('GET', '/containers/json?all=1');
        const ids = (json as { readonly Id: string }[]).map(({ Id }) => Id);
        await Promise.all(ids.map((id) => api('DELETE', `/containers/${id}?force=1&v=1`)));
      } finally {
        await engine[Symbol.asyncDispose]();
      }
    },
  };
}

export async function runProgram(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  options: RunOptions,
): Promise<Result> {
  const [program = 'docker', ...args] = argv;
  const child = spawn(program, args, {
    env: { ...env, ...options.env },
    stdio: 'pipe',
    detached: true,
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 143)));
  const timer = setTimeout(() => killAll(child), options.timeoutMs ?? COMMAND_MS_MAX);
  child.stdin.on('error', () => {}); // ended without reading all of it, which tells nothing
  child.stdin.end(options.input ?? '');
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  clearTimeout(timer);
  return { code, stdout, stderr };
}

/**
 * What a shell started has its output open, and would be waited for. The docker CLI passes SIGTERM
 * on to the container; only SIGKILL ends it for sure.
 */
function killAll({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function call(socketPath: string, method: string, path: string, body: unknown): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const out = request({ socketPath, method, path, headers }, (response) => {
    text(response).then((answer) => {
      const json: unknown = answer.trim() === '' ? undefined : JSON.parse(answer);
      resolve({ status: response.statusCode ?? 0, json });
    }, reject);
  });
  out.on('error', reject);
  out.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
