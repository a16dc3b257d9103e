// An agent for key files, for the time of a build: OpenSSH's own, so that no code of ours ever
// reads a private key's numbers.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { errnoOf, messageOf } from '#base/error.ts';
import { CliError } from '../command.ts';

/** Neither program waits for a person: they have no terminal. */
const PROGRAM_MS_MAX = 10_000;

/**
 * Runs under the agent and waits for our end, however it comes: then the pipe closes, and the agent
 * goes with its folder.
 */
const KEEPER = 'echo "$SSH_AGENT_PID"; cat >/dev/null; kill "$SSH_AGENT_PID"; exec rm -rf -- "$1"';

type Key = { readonly path: string; readonly content: Buffer };

export type KeyAgent = AsyncDisposable & { readonly socket: string };

export async function startKeyAgent(keys: readonly Key[]): Promise<KeyAgent> {
  const folder = mkdtempSync(join(tmpdir(), 'coracle-ssh-'));
  const socket = join(folder, 'agent');
  const child = run(['ssh-agent', '-a', socket, 'sh', '-c', KEEPER, 'sh', folder]);
  const ended = once(child, 'close');
  ended.catch(() => {}); // told below
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rmSync(folder, { recursive: true, force: true }));
  undo.defer(async () => {
    child.stdin.end();
    await ended.catch(() => {});
  });
  // Its first line comes when the socket is there.
  const started = await Promise.race([
    once(child.stdout, 'data', { signal: AbortSignal.timeout(PROGRAM_MS_MAX) }),
    ended.then(() => undefined),
  ]).catch((error: unknown) => failed('ssh-agent', error));
  if (started === undefined) failed('ssh-agent', new Error((await text(child.stderr)).trim()));
  for (const key of keys) await addKey(socket, key);
  const all = undo.move();
  return { socket, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** From its standard input: neither a name nor a mode of the file matters then. */
async function addKey(socket: string, { content, path }: Key): Promise<void> {
  const child = run(['ssh-add', '-q', '-'], {
    SSH_AUTH_SOCK: socket,
    SSH_ASKPASS_REQUIRE: 'never',
  });
  child.stdin.end(content);
  const [said, code] = await Promise.all([
    text(child.stderr),
    once(child, 'close').then(([status]: unknown[]) => status),
  ]).catch((error: unknown) => failed('ssh-add', error));
  if (code === 0) return;
  const why = said.trim().replace(/^Enter passphrase.*: ?$/m, '') || 'it has a passphrase';
  throw new CliError(1, `cannot use the key ${path}: ${why}\n${ADVICE}`);
}

const ADVICE =
  'Keys with a passphrase are for an agent of your own: eval $(ssh-agent); ssh-add KEY; ' +
  'then build with --ssh default.';

/** In a session of its own: no terminal to ask for a passphrase, and no signals of ours. */
function run(
  [program = '', ...argv]: readonly string[],
  env: NodeJS.ProcessEnv = {},
): ChildProcessByStdio<Writable, Readable, Readable> {
  const child = spawn(program, argv, {
    detached: true,
    env: { ...process.env, ...env },
    stdio: 'pipe',
  });
  child.stdin.on('error', () => {}); // it ended without reading all, and says why
  return child;
}

function failed(program: string, error: unknown): never {
  const isMissing = errnoOf(error) === 'ENOENT';
  const why = isMissing
    ? 'it is not installed; install OpenSSH, or name the socket of an agent: --ssh ID=SOCKET'
    : messageOf(error);
  throw new CliError(1, `cannot run ${program} for the keys of --ssh: ${why}`, { cause: error });
}
