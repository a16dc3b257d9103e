// A list of many containers, asked for at a fixed rate: how long each answer takes, and whether the
// engine's memory stays as it is. Asked when it is due, whatever became of those before.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api } from '../tools/api.ts';
import { type PrivateEngine, startEngine } from '../tools/private-engine.ts';
import type { Row } from './table.ts';

export const LOAD_CONTAINERS = 200;
/** How many of them run; the others are only made. */
const RUNNING = 20;
const RATE_PER_SECOND = 200;
export const P99_MS_GOAL = 50;
const CONNECTIONS_MAX = 16;
const LIST = '/containers/json?all=1';

export type LoadFigures = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Resident memory of the daemon, in MiB, five times on the way. */
  readonly rssMib: readonly number[];
};

/** Containers to list; answers what removes them. */
export async function makeLoad(engine: PrivateEngine): Promise<() => Promise<void>> {
  using api = new Api(engine.socket, CONNECTIONS_MAX);
  const ids = await Promise.all(
    Array.from({ length: LOAD_CONTAINERS }, (_, at) =>
      api.create({
        Image: 'busybox',
        Cmd: ['sleep', '1000'],
        Labels: { at: String(at) },
        ExposedPorts: { '80/tcp': {} },
        HostConfig: { NetworkMode: 'none' },
      }),
    ),
  );
  const running = ids.slice(0, RUNNING);
  await Promise.all(running.map((id) => api.must('POST', `/containers/${id}/start`)));
  return async () => {
    using remover = new Api(engine.socket, CONNECTIONS_MAX);
    await Promise.all(ids.map((id) => remover.must('DELETE', `/containers/${id}?force=1`)));
  };
}

export async function measureLoad(engine: PrivateEngine, seconds: number): Promise<LoadFigures> {
  using api = new Api(engine.socket, CONNECTIONS_MAX);
  const count = seconds * RATE_PER_SECOND;
  const took: number[] = [];
  const rssMib: number[] = [];
  const asked: Promise<void>[] = [];
  const begin = performance.now();
  for (let at = 0; at < count; at += 1) {
    const due = begin + (at * 1000) / RATE_PER_SECOND;
    if (due > performance.now()) await sleep(due - performance.now());
    if (at % Math.ceil(count / 5) === 0) rssMib.push(residentMib(engine.pid));
    asked.push(
      api.must('GET', LIST).then(() => {
        took.push(performance.now() - due);
      }),
    );
  }
  await Promise.all(asked);
  took.sort((one, other) => one - other);
  const quantile = (part: number): number => took[Math.floor(took.length * part)] ?? 0;
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99), rssMib };
}

function residentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

/** On an engine of its own, as rows of the table. */
export async function loadRows(seconds: number): Promise<readonly Row[]> {
  await using engine = await startEngine();
  const removeAll = await makeLoad(engine);
  try {
    const { p99Ms, rssMib } = await measureLoad(engine, seconds);
    const most = Math.max(...rssMib);
    const none = { other: undefined, otherName: '', ratio: undefined } as const;
    return [
      {
        ...none,
        what: `list of ${LOAD_CONTAINERS}, ${RATE_PER_SECOND} a second, p99`,
        ours: p99Ms,
        unit: 'ms',
        goal: `under ${P99_MS_GOAL} ms`,
        ok: p99Ms < P99_MS_GOAL,
      },
      {
        ...none,
        what: 'daemon meanwhile, at most',
        ours: most,
        unit: 'MiB',
        goal: '',
        ok: undefined,
      },
    ];
  } finally {
    await removeAll();
  }
}
