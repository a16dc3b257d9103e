// `coracle daemon`: reads the configuration, takes the data root, opens the engine, serves its
// sockets until SIGTERM or SIGINT. Containers are not ended with it: their monitors go on.
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import type { TlsOptions } from 'node:tls';
import type { ApiDeps } from '#api/deps.ts';
import { type ApiServer, createApiServer } from '#api/server.ts';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, messageOf } from '#base/error.ts';
import { createLog, type Log } from '#base/log.ts';
import { collectBetween } from './collect.ts';
import { type Config, makeConfig, readConfigFile } from './config.ts';
import { type Engine, openEngine } from './engine.ts';
import { ENGINE_VERSION } from './facts.ts';
import { type Flags, helpText, parseFlags } from './flags.ts';
import { lockCgroupParent, lockDataRoot, lockExecRoot } from './lock.ts';
import { Metrics, serveMetrics } from './metrics.ts';
import { useProxies } from './proxies.ts';
import { rehearse } from './rehearse.ts';
import { applyReload, tellReload } from './reload.ts';
import { SwitchLog } from './switch-log.ts';
import {
  type Address,
  checkReach,
  openToGroup,
  parseHosts,
  prepareSocket,
  takeHandedSockets,
} from './sockets.ts';
import { readTls } from './tls.ts';

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
    if (flags.version) {
      process.stdout.write(`Coracle version ${ENGINE_VERSION}\n`);
      return 0;
    }
    const config = makeConfig(flags, await readConfigFile(flags));
    if (flags.validate) {
      // One of systemd's sockets may be meant, which are not here.
      listeners(config, [0]);
      for (const [key, why] of Object.entries(config.idle)) {
        process.stderr.write(`${key} changes nothing here: ${why}\n`);
      }
      process.stderr.write('configuration OK\n');
      return 0;
    }
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
  tellIdle(log, config);
  useProxies(config.proxies, process.env);
  keepGoing(log);
  const ended = endSignal();
  // systemd passes a reload on as soon as the process is there; unheard, the signal would end it.
  const opened = Promise.withResolvers<Reloading>();
  process.on('SIGHUP', () => void opened.promise.then(reload));
  await using parts = new AsyncDisposableStack();
  parts.use(await lockDataRoot(config.dataRoot));
  parts.use(await lockExecRoot(config.execRoot));
  parts.use(await lockCgroupParent(config.cgroupParent));
  const { addresses, tls } = listeners(config, takeHandedSockets(process.env, process.pid));
  parts.use(await writePidfile(config.pidfile));
  const engine = parts.use(await openEngine(config, log));
  parts.use(collectBetween(engine.events));
  const api = await measured(engine, config, parts);
  for (const address of addresses) parts.use(await serve(api, address, config, tls));
  opened.resolve({ engine, flags, log, config });
  process.stdout.write(`listening on ${addresses.map(nameOf).join(' ')}\n`);
  engine.begin();
  void rehearseLater(engine);
  const signal = await ended;
  log.info('ending', { signal });
}

/** With any image: what is rehearsed is the same. */
async function rehearseLater({ api, events }: Engine): Promise<void> {
  const [image] = api.images.list();
  if (image !== undefined) await rehearse(createApiServer(api), events, image.id);
}

/**
 * Of dockerd's file and flags: what sets nothing here, so that nobody waits for what it did there.
 */
function tellIdle(log: Log, { idle }: Config): void {
  if (Object.keys(idle).length === 0) return;
  log.info('keys or flags that change nothing here', idle);
}

/** Throws for what cannot be served, or must not be. */
function listeners(
  { execRoot, hosts, tls }: Config,
  handed: readonly number[],
): { readonly addresses: readonly Address[]; readonly tls: TlsOptions | undefined } {
  const addresses = parseHosts(hosts, handed, `unix://${execRoot}/coracle.sock`);
  checkReach(addresses, tls);
  return { addresses, tls: readTls(tls) };
}

function nameOf(address: Address): string {
  if (address.kind === 'path') return `unix://${address.path}`;
  if (address.kind === 'fd') return `fd://${address.fd}`;
  return `tcp://${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
}

/** With --metrics-addr, its verbs are timed. */
async function measured(
  { api, events, probes }: Engine,
  { metricsAddress }: Config,
  parts: AsyncDisposableStack,
): Promise<ApiDeps> {
  if (metricsAddress === undefined) return api;
  const metrics = parts.use(new Metrics(events, probes));
  const timed = { ...api, containers: metrics.timed(api.containers) };
  parts.use(await serveMetrics(metrics, timed, metricsAddress));
  return timed;
}

async function serve(
  api: ApiDeps,
  address: Address,
  config: Config,
  tls: TlsOptions | undefined,
): Promise<AsyncDisposable> {
  const isTcp = address.kind === 'tcp';
  const options = isTcp ? { tls, open: config.tls.mode !== 'verify' } : {};
  const server: ApiServer = createApiServer(api, options);
  if (address.kind !== 'path') await server.listen(address);
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
  if (isTcp && config.tls.mode !== 'verify') {
    api.log.warn('whoever reaches this address is root on this host', { host: nameOf(address) });
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

type Reloading = {
  readonly engine: Engine;
  readonly flags: Flags;
  readonly log: SwitchLog;
  config: Config;
};

/** SIGHUP. A configuration that is wrong changes nothing. */
async function reload(state: Reloading): Promise<void> {
  const { engine, flags, log } = state;
  try {
    const next = makeConfig(flags, await readConfigFile(flags));
    const result = applyReload(state.config, next, engine.reloadable);
    state.config = result.config;
    log.use(createLog(next.logLevel));
    const { id, hostname } = engine.api.facts;
    tellReload(engine.events, log, id, hostname, result);
  } catch (error) {
    log.error('cannot reload the configuration, ignoring', { error });
  }
}
