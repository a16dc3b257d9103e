// Watches containers for `stats`: one stream a container, and the events that tell of new ones.
import { messageOf } from '#base/error.ts';
import { type EngineClient, readJsonLines } from '#client/client.ts';
import type { ContainerSummary } from '#wire/container.ts';
import type { EventMessage } from '#wire/event.ts';
import type { ContainerStats } from '#wire/stats.ts';
import { containerPath, errorText } from './each.ts';
import type { Row } from './format/list.ts';
import { type Shares, sharesOf, sparkline, statsRow } from './format/stats.ts';

/** How many seconds a sparkline shows. */
export const HISTORY_WIDTH = 20;
/** A CPU share below this is drawn as nothing: a line of noise says nothing either. */
const CPU_TOP_MIN = 10;
const ID_WIDTH = 12;

export class Watched {
  readonly container: string;
  readonly #stop = new AbortController();
  #stats: ContainerStats | undefined;
  #history: Shares[] = [];
  error: unknown;

  constructor(container: string) {
    this.container = container;
  }

  /** Aborted when nobody looks at it any more. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  stop(): void {
    this.#stop.abort();
  }

  set(stats: ContainerStats): void {
    this.#stats = stats;
    this.#history = [...this.#history, sharesOf(stats)].slice(-HISTORY_WIDTH);
  }

  row(noTrunc: boolean): Row {
    const stats = this.error === undefined ? this.#stats : undefined;
    return statsRow(this.container, stats, noTrunc);
  }

  historyRow(noTrunc: boolean): Row {
    const cpu = this.#history.map((each) => each.cpu);
    const memory = this.#history.map((each) => each.memory);
    const top = Math.max(CPU_TOP_MIN, ...cpu);
    return {
      ...this.row(noTrunc),
      CPUHistory: sparkline(cpu, top, HISTORY_WIDTH),
      MemHistory: sparkline(memory, 100, HISTORY_WIDTH),
    };
  }
}

/** One sample of each. */
export async function sampleAll(
  client: EngineClient,
  names: readonly string[],
): Promise<Watched[]> {
  return Promise.all(
    names.map(async (name) => {
      const watched = new Watched(name);
      try {
        const query = { stream: 0 };
        const path = `${containerPath(name)}/stats`;
        watched.set(await client.json<ContainerStats>('GET', path, { query }));
      } catch (error) {
        watched.error = error;
      }
      return watched;
    }),
  );
}

/** Resolves with the first sample or the error; goes on behind the caller's back. */
export function follow(client: EngineClient, watched: Watched): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = async (): Promise<void> => {
    const path = `${containerPath(watched.container)}/stats`;
    const options = { query: { stream: 1 }, signal: watched.stopped };
    const reply = await client.call('GET', path, options);
    for await (const stats of readJsonLines<ContainerStats>(reply.body)) {
      watched.set(stats);
      resolve();
    }
    throw new Error('EOF');
  };
  run().catch((error: unknown) => {
    watched.error = error;
    resolve();
  });
  return promise;
}

export async function namesOf(client: EngineClient, all: boolean): Promise<readonly string[]> {
  const query = { all };
  const list = await client.json<ContainerSummary[]>('GET', '/containers/json', { query });
  return list.map(({ Id: id }) => id.slice(0, ID_WIDTH));
}

/** Which containers come and go, by the first digits of their ids. */
export async function followChanges(
  client: EngineClient,
  all: boolean,
  change: (what: 'came' | 'went', name: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const [came, went] = all ? ['create', 'destroy'] : ['start', 'die'];
  const query = { filters: JSON.stringify({ type: ['container'], event: [came, went] }) };
  const reply = await client.call('GET', '/events', { query, signal });
  const read = async (): Promise<void> => {
    for await (const event of readJsonLines<EventMessage>(reply.body)) {
      change(event.Action === came ? 'came' : 'went', event.Actor.ID.slice(0, ID_WIDTH));
    }
  };
  void read().catch((error: unknown) => {
    if (!signal.aborted) process.stderr.write(`${messageOf(error)}\n`);
  });
}

/** All errors as one text; undefined when there is none. */
export function errorsOf(watched: Iterable<Watched>): string | undefined {
  const errors = [...watched].flatMap(({ error }) =>
    error === undefined ? [] : [errorText(error)],
  );
  return errors.length === 0 ? undefined : errors.join('\n');
}
