// `coracle daemon`: reads the configuration, takes the data root, opens the engine, serves its
// sockets until SIGTERM or SIGINT. Containers are not ended with it: their monitors go on.
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ApiServer, createApiServer } from '#api/server.ts';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, messageOf } from '#base/error.ts';
import { createLog, type Log } from '#base/log.ts';
import { type Config, makeConfig, parseLogLevel, readConfigFile } from './config.ts';
import { type Engine, openEngine } from './engine.ts';
import { type Flags, helpText, parseFlags } from './flags.ts';
import { lockDataRoot } from './lock.ts';
import { SwitchLog } from './switch-log.ts';
import {
  type Address,
  openToGroup,
  parseHosts,
  prepareSocket,
  takeHandedSockets,
} from './sockets.ts';

/** sysexits.h has no code for "could not start"; Docker's daemon uses 1. */
const EXIT_FAILED = 1;

/** Runs the daemon; answers the exit code when it has ended. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const flags = parseFlags(argv);
    if (flags.help) {
      process.stdout.write(helpText());
      return 0;
    }
    const config = makeConfig(flags, await readConfigFile(flags));
    await run(flags, config);
    return 0;
  } catch (error) {
    process.stderr.write(`coracle daemon: ${messageOf(error)}\n`);
    if (!(error instanceof EngineError) && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`);
    }
    return EXIT_FAILED;
  }
}

async function run(flags: Flags, config: Config): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new EngineError('forbidden', 'the daemon must be run by root');
  }
  const log = new SwitchLog(createLog(config.logLevel));
  keepGoing(log);
  const ended = endSignal();
  process.on('SIGHUP', () => void reload(flags, log));
  await using parts = new AsyncDisposableStack();
  parts.use(await lockDataRoot(config.dataRoot));
  const handed = takeHandedSockets(process.env, process.pid);
  const addresses = parseHosts(config.hosts, handed, !flags.given.has('hosts'));
  parts.use(await writePidfile(config.pidfile));
  const engine = parts.use(await openEngine(config, log));
  for (const address of addresses) parts.use(await serve(engine, address, config));
  process.stdout.write(`listening on ${addresses.map(nameOf).join(' ')}\n`);
  engine.begin();
  const signal = await ended;
  log.info('ending', { signal });
}

function nameOf(address: Address): string {
  return address.kind === 'path' ? `unix://${address.path}` : `fd://${address.fd}`;
}

async function serve(engine: Engine, address: Address, config: Config): Promise<AsyncDisposable> {
  const server: ApiServer = createApiServer(engine.api);
  if (address.kind === 'fd') await server.listen({ fd: address.fd });
  else {
    await prepareSocket(address.path);
    // Nobody but root may connect before the mode and group are set.
    const mask = process.umask(0o177);
    try {
      await server.listen({ path: address.path });
    } finally {
      process.umask(mask);
    }
    openToGroup(address.path, config.group);
  }
  return { [Symbol.asyncDispose]: () => server.close() };
}

/** Resolves with the first signal to end; the second one ends at once. */
function endSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(EXIT_FAILED);
      asked = true;
      resolve(signal);
    });
  }
  return promise;
}

/**
 * A defect in one request must not end what all containers depend on; it is told, with its stack.
 * Node's default would end the process.
 */
function keepGoing(log: Log): void {
  process.on('unhandledRejection', (error) =>
    log.error('a promise failed and nobody handled it, ignoring', { error }),
  );
  process.on('uncaughtException', (error) =>
    log.error('an exception was not caught, ignoring', { error }),
  );
}

async function writePidfile(path: string): Promise<AsyncDisposable> {
  // By default it is in the exec root, which has this mode.
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  await writeFileAtomic(path, `${process.pid}\n`, { durable: false, mode: 0o644 });
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/** SIGHUP: only the log level; everything else needs a restart, which containers do not notice. */
async function reload(flags: Flags, log: SwitchLog): Promise<void> {
  try {
    const { logLevel } = makeConfig(flags, await readConfigFile(flags));
    log.use(createLog(parseLogLevel(logLevel)));
    log.info('log level set', { logLevel });
  } catch (error) {
    log.error('cannot reload the configuration, ignoring', { error });
  }
}
