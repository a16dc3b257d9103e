// `--metrics-addr`: what Prometheus scrapes (text format 0.0.4), with dockerd's names for what
// dockerd has too, and the containers' own usage beside. Nothing is measured while nobody asks.
import { createServer } from '#base/http.ts';
import type { ApiDeps } from '#api/deps.ts';
import { EngineError } from '#base/error.ts';
import type { ContainerEngine, ContainerView } from '#container/engine.ts';
import type { ProbeCounts } from '#container/health-watch.ts';
import type { Sample } from '#container/stats.ts';
import type { EventBus } from '#event/bus.ts';
import { ENGINE_VERSION } from './facts.ts';

/** Seconds; dockerd's are those of the Prometheus library. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
const SAMPLES_AT_ONCE_MAX = 16;
const SCRAPE_MS_MAX = 10_000;
const NANO = 1e9;

/** Verbs that are timed, and what dockerd calls them. */
const TIMED = {
  changes: 'changes',
  commit: 'commit',
  create: 'create',
  start: 'start',
  remove: 'delete',
} as const satisfies Partial<Record<keyof ContainerEngine, string>>;

export class Metrics implements Disposable {
  readonly #actions = new Map<string, Histogram>(
    Object.values(TIMED).map((action) => [action, new Histogram()]),
  );
  readonly #counts = { events: 0, healthy: 0, unhealthy: 0 };
  readonly #listener: Disposable;

  readonly #probes: ProbeCounts;

  constructor(events: Pick<EventBus, 'watch'>, probes: ProbeCounts) {
    this.#probes = probes;
    this.#listener = events.watch((event) => {
      this.#counts.events += 1;
      if (event.action === 'health_status: healthy') this.#counts.healthy += 1;
      if (event.action === 'health_status: unhealthy') this.#counts.unhealthy += 1;
    });
  }

  /** The same engine, with its verbs timed. */
  timed(engine: ContainerEngine): ContainerEngine {
    const timer = <A extends unknown[], R>(action: string, verb: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        const startedAt = performance.now();
        const result = await verb(...args);
        this.#actions.get(action)?.observe((performance.now() - startedAt) / 1000);
        return result;
      };
    };
    return {
      ...engine,
      changes: timer(TIMED.changes, engine.changes),
      commit: timer(TIMED.commit, engine.commit),
      create: timer(TIMED.create, engine.create),
      start: timer(TIMED.start, engine.start),
      remove: timer(TIMED.remove, engine.remove),
    };
  }

  async text(deps: ApiDeps): Promise<string> {
    const views = deps.containers.list();
    const page = new Page();
    const { facts } = deps;
    page.add('engine_daemon_engine_info', 'gauge', 'The engine and its host', [
      [
        {
          architecture: facts.machine,
          commit: facts.gitCommit,
          daemon_id: facts.id,
          graphdriver: facts.driver,
          kernel: facts.kernelVersion,
          os: facts.operatingSystem,
          os_type: 'linux',
          os_version: facts.osVersion,
          version: ENGINE_VERSION,
        },
        1,
      ],
    ]);
    page.add('engine_daemon_engine_cpus_cpus', 'gauge', 'CPUs of the host', [[{}, facts.cpus]]);
    page.add('engine_daemon_engine_memory_bytes', 'gauge', 'Memory of the host', [
      [{}, facts.memoryBytes],
    ]);
    page.add(
      'engine_daemon_container_states_containers',
      'gauge',
      'Containers by state',
      states(views),
    );
    page.add('engine_daemon_events_total', 'counter', 'Events published', [
      [{}, this.#counts.events],
    ]);
    page.add('engine_daemon_events_subscribers_total', 'gauge', 'Who listens to events now', [
      [{}, deps.events.listeners],
    ]);
    page.add('engine_daemon_health_checks_total', 'counter', 'Single health checks', [
      [{}, this.#probes.begun],
    ]);
    const failed = 'Single health checks that could not be run';
    page.add('engine_daemon_health_checks_failed_total', 'counter', failed, [
      [{}, this.#probes.failed],
    ]);
    page.add('coracle_health_changes_total', 'counter', 'Changes of health, by what it became', [
      [{ health: 'healthy' }, this.#counts.healthy],
      [{ health: 'unhealthy' }, this.#counts.unhealthy],
    ]);
    page.histograms('engine_daemon_container_actions_seconds', 'Time of actions', this.#actions);
    addProcess(page);
    addUsage(page, await samples(deps, views));
    return page.text();
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}

function states(views: readonly ContainerView[]): readonly Line[] {
  const count = (test: (view: ContainerView) => boolean): number => views.filter(test).length;
  const paused = count(({ state }) => state.status === 'paused');
  const running = count(({ state }) => state.status === 'running');
  return [
    [{ state: 'paused' }, paused],
    [{ state: 'running' }, running],
    [{ state: 'stopped' }, views.length - running - paused],
  ];
}

function addProcess(page: Page): void {
  const { user, system } = process.cpuUsage();
  page.add('process_cpu_seconds_total', 'counter', 'CPU time of the daemon', [
    [{}, (user + system) / 1e6],
  ]);
  page.add('process_resident_memory_bytes', 'gauge', 'Memory of the daemon', [
    [{}, process.memoryUsage.rss()],
  ]);
  page.add('process_start_time_seconds', 'gauge', 'When the daemon was started', [
    [{}, Math.round(Date.now() / 1000 - process.uptime())],
  ]);
}

type Named = { readonly view: ContainerView; readonly sample: Sample };

async function samples(deps: ApiDeps, views: readonly ContainerView[]): Promise<readonly Named[]> {
  const queue = views.filter(
    ({ state }) => state.status === 'running' || state.status === 'paused',
  );
  const found: Named[] = [];
  const signal = AbortSignal.timeout(SCRAPE_MS_MAX);
  const work = async (): Promise<void> => {
    for (let view = queue.shift(); view !== undefined; view = queue.shift()) {
      try {
        const frame = await deps.containers.statsOnce(view.id, { oneShot: true }, signal);
        if (frame?.sample !== undefined) found.push({ view, sample: frame.sample });
      } catch {
        // It has ended meanwhile: then it has no usage.
      }
    }
  };
  await Promise.all(Array.from({ length: SAMPLES_AT_ONCE_MAX }, work));
  return found.toSorted((a, b) => (a.view.name < b.view.name ? -1 : 1));
}

function addUsage(page: Page, list: readonly Named[]): void {
  const lines = (value: (usage: Sample['usage']) => number | undefined): readonly Line[] =>
    list.flatMap(({ view, sample }) => {
      const number = value(sample.usage);
      if (number === undefined) return [];
      return [[{ id: view.id.slice(0, 12), name: view.name, image: view.imageName }, number]];
    });
  page.add(
    'coracle_container_cpu_seconds_total',
    'counter',
    'CPU time of a container',
    lines(({ cpu }) => (cpu === undefined ? undefined : cpu.total / NANO)),
  );
  page.add(
    'coracle_container_memory_bytes',
    'gauge',
    'Memory that a container uses, with its page cache',
    lines(({ memory }) => memory?.usage),
  );
  page.add(
    'coracle_container_memory_limit_bytes',
    'gauge',
    'Memory that a container may use',
    lines(({ memory }) => memory?.limit),
  );
  page.add(
    'coracle_container_processes',
    'gauge',
    'Processes and threads of a container',
    lines(({ pids }) => pids?.current),
  );
}

type Line = readonly [labels: Readonly<Record<string, string>>, value: number];

/** The text format: HELP and TYPE once a name, then its lines. */
class Page {
  readonly #parts: string[] = [];

  add(name: string, type: 'gauge' | 'counter', help: string, lines: readonly Line[]): void {
    if (lines.length === 0) return;
    this.#head(name, type, help);
    for (const [labels, value] of lines) this.#line(name, labels, value);
  }

  histograms(name: string, help: string, by: ReadonlyMap<string, Histogram>): void {
    this.#head(name, 'histogram', help);
    for (const [action, { counts, sum, count }] of by) {
      let below = 0;
      for (const [index, bound] of BUCKETS.entries()) {
        below += counts[index] ?? 0;
        this.#line(`${name}_bucket`, { action, le: String(bound) }, below);
      }
      this.#line(`${name}_bucket`, { action, le: '+Inf' }, count);
      this.#line(`${name}_sum`, { action }, sum);
      this.#line(`${name}_count`, { action }, count);
    }
  }

  #head(name: string, type: string, help: string): void {
    this.#parts.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  #line(name: string, labels: Readonly<Record<string, string>>, value: number): void {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    this.#parts.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`);
  }

  text(): string {
    return `${this.#parts.join('\n')}\n`;
  }
}

function escapeLabel(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

class Histogram {
  readonly counts: number[] = BUCKETS.map(() => 0);
  sum = 0;
  count = 0;

  observe(value: number): void {
    const index = BUCKETS.findIndex((bound) => value <= bound);
    if (index !== -1) this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
    this.count += 1;
  }
}

/** HOST:PORT of --metrics-addr. */
export function parseMetricsAddress(text: string): {
  readonly host: string;
  readonly port: number;
} {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new EngineError('invalid_argument', `invalid metrics-addr ${text}: must be HOST:PORT`);
  }
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}

export async function serveMetrics(
  metrics: Metrics,
  deps: ApiDeps,
  where: { readonly host: string; readonly port: number },
): Promise<AsyncDisposable> {
  const http = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?', 1)[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metrics.text(deps).then(
      (text) => {
        response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
        response.end(text);
      },
      (error: unknown) => {
        deps.log.error('cannot measure', { error });
        response.writeHead(500).end();
      },
    );
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  http.once('error', reject);
  http.listen(where.port, where.host, () => resolve());
  await promise;
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<void>();
      http.close(() => closed.resolve());
      http.closeAllConnections();
      await closed.promise;
    },
  };
}
