// Which daemon to speak to, and starting one when none runs on the default socket: a newcomer
// types one command. Where another socket is named nothing is ever started.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { EngineClient } from '#client/client.ts';
import { SOCKET_DEFAULT } from '#client/environment.ts';
import { CliError } from './command.ts';
import type { Choice } from './context/choose.ts';

export const LOG_DEFAULT = '/var/log/coracle.log';
/** The first start unpacks the embedded image, hence the generous limit. */
export const DAEMON_START_MS_MAX = 20_000;
const POLL_MS = 10;

/** The client of the engine that was chosen; our own is started where it does not run. */
export function openClient({ endpoint, isOwn }: Choice): EngineClient {
  return new EngineClient(endpoint, isOwn ? { onUnreachable: startDaemon } : {});
}

/** True when the request is worth another try. */
async function startDaemon(error: EngineError): Promise<boolean> {
  const errno = error.facts['errno'];
  if (errno !== 'ENOENT' && errno !== 'ECONNREFUSED') return false;
  if (process.getuid?.() !== 0) {
    const advice = "Start it as root with 'coracle daemon', or run this command as root.";
    throw new CliError(1, `${error.message}\n${advice}`);
  }
  const program = process.argv[1];
  if (program === undefined) return false;
  mkdirSync(dirname(LOG_DEFAULT), { recursive: true });
  const log = openSync(LOG_DEFAULT, 'a', 0o640);
  // A session of its own (setsid): the daemon must not get this terminal's signals.
  const child = spawn(process.execPath, [...process.execArgv, program, 'daemon'], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  });
  closeSync(log);
  let ended: string | undefined;
  child.once('exit', (code, signal) => {
    ended = signal ?? `exit code ${code}`;
  });
  child.once('error', (cause) => {
    ended = messageOf(cause);
  });
  const deadline = Date.now() + DAEMON_START_MS_MAX;
  while (!(await answers(SOCKET_DEFAULT))) {
    if (ended !== undefined || Date.now() > deadline) {
      const why = ended ?? `no answer within ${DAEMON_START_MS_MAX / 1000} s`;
      const where = `Its log is ${LOG_DEFAULT}; 'coracle daemon' runs it in the foreground.`;
      throw new CliError(1, `cannot start the Coracle daemon: ${why}\n${where}`);
    }
    await delay(POLL_MS);
  }
  child.unref();
  return true;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      if (['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '')) resolve(false);
      else reject(new EngineError('unavailable', messageOf(error), { cause: error }));
    });
  });
}
