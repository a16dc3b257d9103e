// SIGHUP: what of the configuration changes without a restart (dockerd's list, as far as we have
// it), and the `daemon reload` event that tells it.
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '#base/log.ts';
import type { SystemFacts } from '#api/system/facts.ts';
import type { Settings } from '#container/deps.ts';
import type { Publisher } from '#event/event.ts';
import { openRegistries } from '#image/registry/open.ts';
import type { Registries, RegistryConfig } from '#image/registry/registry.ts';
import type { Config } from './config.ts';
import { registryFacts } from './registry-config.ts';

/** Registries by the configuration of now. What is being transferred goes on by the one before. */
export class SwitchRegistries implements Registries {
  #now: Registries;
  readonly #before: Registries[] = [];

  constructor(config: RegistryConfig) {
    this.#now = openRegistries(config);
  }

  use(config: RegistryConfig): void {
    this.#before.push(this.#now);
    this.#now = openRegistries(config);
  }

  repository(...args: Parameters<Registries['repository']>): ReturnType<Registries['repository']> {
    return this.#now.repository(...args);
  }

  login(...args: Parameters<Registries['login']>): ReturnType<Registries['login']> {
    return this.#now.login(...args);
  }

  search(...args: Parameters<Registries['search']>): ReturnType<Registries['search']> {
    return this.#now.search(...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [...this.#before, this.#now]) await each[Symbol.asyncDispose]();
  }
}

/** What a reload changes in place; everything that reads it asks again each time. */
export type Reloadable = {
  readonly settings: Mutable<Pick<Settings, 'runtimes' | 'defaultRuntime'>>;
  /** Names of external runtimes to their programs. */
  readonly runtimes: Record<string, string>;
  readonly facts: Mutable<
    Pick<SystemFacts, 'labels' | 'runtimes' | 'defaultRuntime' | 'registries' | 'debug'>
  >;
  readonly registries: SwitchRegistries;
};
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const RELOADED = [
  'logLevel',
  'labels',
  'runtimes',
  'defaultRuntime',
  'registry',
  'idle',
] as const satisfies readonly (keyof Config)[];

/** Applies what can change, and answers which keys cannot without a restart. */
export function applyReload(
  now: Config,
  next: Config,
  parts: Reloadable,
): { readonly config: Config; readonly ignored: readonly string[] } {
  const { settings, facts, runtimes, registries } = parts;
  for (const name of Object.keys(runtimes)) delete runtimes[name];
  Object.assign(runtimes, next.runtimes);
  settings.runtimes = ['coracle', ...Object.keys(next.runtimes)];
  settings.defaultRuntime = next.defaultRuntime;
  facts.labels = next.labels;
  facts.debug = next.logLevel === 'debug';
  facts.defaultRuntime = next.defaultRuntime;
  const own = facts.runtimes['coracle'];
  facts.runtimes = {
    ...(own === undefined ? {} : { coracle: own }),
    ...Object.fromEntries(Object.entries(next.runtimes).map(([name, path]) => [name, { path }])),
  };
  if (!isDeepStrictEqual(now.registry, next.registry)) {
    registries.use(next.registry);
    facts.registries = registryFacts(next.registry);
  }
  const ignored = (Object.keys(next) as (keyof Config)[]).filter(
    (key) =>
      !(RELOADED as readonly string[]).includes(key) && !isDeepStrictEqual(now[key], next[key]),
  );
  const kept = Object.fromEntries(RELOADED.map((key) => [key, next[key]]));
  return { config: { ...now, ...kept }, ignored };
}

export function tellReload(
  publisher: Publisher,
  log: Log,
  id: string,
  hostname: string,
  { config, ignored }: ReturnType<typeof applyReload>,
): void {
  const attributes = {
    name: hostname,
    debug: String(config.logLevel === 'debug'),
    labels: JSON.stringify(config.labels),
    'default-runtime': config.defaultRuntime,
    runtimes: Object.entries(config.runtimes)
      .map(([name, path]) => `${name}:${path}`)
      .join(' '),
    'insecure-registries': JSON.stringify(config.registry.insecure),
    'registry-mirrors': JSON.stringify(config.registry.mirrors['docker.io'] ?? []),
  };
  publisher.publish({ type: 'daemon', action: 'reload', actor: { id, attributes } });
  log.info('configuration reloaded', { logLevel: config.logLevel });
  if (ignored.length === 0) return;
  log.warn('these settings have changed too, and need a restart of the daemon', { ignored });
}
