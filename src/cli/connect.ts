// Which daemon to speak to, and starting one when none runs on the default socket: a newcomer
// types one command. With an explicit host nothing is ever started.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { EngineClient } from '#client/client.ts';
import { type Endpoint, parseEndpoint, type Tls } from '#client/endpoint.ts';
import { CliError } from './command.ts';

export const SOCKET_DEFAULT = '/run/coracle/coracle.sock';
export const LOG_DEFAULT = '/var/log/coracle.log';
/** The first start unpacks the embedded image, hence the generous limit. */
export const DAEMON_START_MS_MAX = 20_000;
const POLL_MS = 10;

export function parseHost(host: string, tls?: Tls): Endpoint {
  const endpoint = parseEndpoint(host, tls);
  if (endpoint !== undefined) return endpoint;
  const text = `invalid host ${JSON.stringify(host)}: use unix:///PATH or tcp://HOST:PORT`;
  throw new CliError(125, text);
}

/** The client for `-H`, else CORACLE_HOST, else the default socket. */
export function openClient(host: string | undefined): EngineClient {
  const chosen = host ?? process.env['CORACLE_HOST'];
  if (chosen !== undefined && chosen !== '') return new EngineClient(parseHost(chosen));
  return new EngineClient({ kind: 'unix', path: SOCKET_DEFAULT }, { onUnreachable: startDaemon });
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
