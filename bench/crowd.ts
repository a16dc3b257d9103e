// make bench-crowd: what a start costs beside many containers that run. An engine that has them,
// another on the same machine that has none, and the floor take turns: the first two differ by what
// grows in the engine, and the last two tell what grows in the kernel.
// BENCH_FLAGS: numbers of containers, "0,300,980", and rounds of each.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, field } from '../tools/api.ts';
import { type PrivateEngine, startEngine } from '../tools/private-engine.ts';
import { measureFloor } from './floor.ts';
import { descendants, lowerQuartile, median, memoryOf, times } from './measure.ts';

const [COUNTS = '0,300,980', ROUNDS = '10'] = process.argv.slice(2);
const STARTS = 10;
const FILLERS = 4;
const LISTS = 20;
const IDLE_MS = 10_000;
const HOST_CONFIG = { NetworkMode: 'none' };

/** As `docker run --rm`: the client waits before it starts, and is told when all is gone. */
async function run(api: Api): Promise<void> {
  const host = { ...HOST_CONFIG, AutoRemove: true };
  const id = await api.create({ Image: 'busybox', Cmd: ['true'], HostConfig: host });
  const gone = api.send('POST', `/containers/${id}/wait?condition=removed`);
  await api.must('POST', `/containers/${id}/start`);
  await gone;
}

async function fill(engine: PrivateEngine, count: number): Promise<void> {
  using api = new Api(engine.socket, FILLERS);
  let left = count;
  const filler = async (): Promise<void> => {
    for (; left > 0; ) {
      left -= 1;
      const body = { Image: 'busybox', Cmd: ['sleep', '100000'], HostConfig: HOST_CONFIG };
      await api.must('POST', `/containers/${await api.create(body)}/start`);
    }
  };
  await Promise.all(Array.from({ length: FILLERS }, filler));
}

async function removeAll(engine: PrivateEngine): Promise<void> {
  using api = new Api(engine.socket, FILLERS);
  const listed: unknown = JSON.parse(await api.must('GET', '/containers/json?all=1'));
  const ids = Array.isArray(listed) ? listed.map((each) => String(field(each, 'Id'))) : [];
  await Promise.all(ids.map((id) => api.must('DELETE', `/containers/${id}?force=1`)));
}

/** Milliseconds of processor time so far, of all threads (scheduler/sched-stats.rst). */
function cpuMs(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [ns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      sum += Number(ns) / 1e6;
    }
  }
  return sum;
}

class Side {
  readonly times: number[] = [];
  readonly cpu: number[] = [];
  readonly engine: PrivateEngine;
  readonly api: Api;

  constructor(engine: PrivateEngine) {
    this.engine = engine;
    this.api = new Api(engine.socket, 2);
  }

  /** The daemon and its agents, not the monitors. */
  get pids(): readonly number[] {
    const { pid } = this.engine;
    return [pid, ...descendants(pid).flatMap((each) => (each.parent === pid ? [each.pid] : []))];
  }

  async turn(): Promise<void> {
    const { pids } = this;
    const before = cpuMs(pids);
    this.times.push(...(await times(STARTS, () => run(this.api), 0)));
    this.cpu.push((cpuMs(pids) - before) / STARTS);
  }

  clear(): void {
    this.times.length = 0;
    this.cpu.length = 0;
  }
}

function figures(values: readonly number[]): string {
  const [low, quarter, middle] = [Math.min(...values), lowerQuartile(values), median(values)];
  return [low, quarter, middle].map((value) => value.toFixed(2).padStart(7)).join('');
}

async function measure(count: number, alone: Side, crowd: Side): Promise<void> {
  const floor: number[] = [];
  for (const side of [alone, crowd]) side.clear();
  for (let round = 0; round < Number(ROUNDS); round += 1) {
    for (const side of [alone, crowd]) await side.turn();
    floor.push(measureFloor(alone.engine, STARTS, 'cnmpv'));
  }
  const list = () => crowd.api.must('GET', '/containers/json');
  const lists = await times(LISTS, list);
  const first = await times(LISTS, () => crowd.api.must('GET', '/containers/json?limit=1'));
  const { pids } = crowd;
  const before = cpuMs(pids);
  await sleep(IDLE_MS);
  const idle = (cpuMs(pids) - before) / (IDLE_MS / 1000);
  const rows: readonly (readonly [string, string])[] = [
    ['start, by an engine with none, ms', figures(alone.times)],
    ['start, by the one that has them, ms', figures(crowd.times)],
    ['floor of both, ms', figures(floor)],
    ['processor time a start, none, ms', figures(alone.cpu)],
    ['processor time a start, with them, ms', figures(crowd.cpu)],
    ['list of all, ms', figures(lists)],
    ['list of one, ms', figures(first)],
    ['processor time a second, idle, ms', idle.toFixed(2)],
    ['daemon resident, MiB', (memoryOf(crowd.engine.pid).rss / 1024).toFixed(0)],
  ];
  console.log(`\n${String(count).padEnd(40)}    min    25%    50%`);
  for (const [what, value] of rows) console.log(`${what.padEnd(40)}${value}`);
}

await using alone = await startEngine({ flags: ['--bridge=none'] });
await using crowd = await startEngine({ flags: ['--bridge=none'] });
const sides = [new Side(alone), new Side(crowd)] as const;
try {
  for (const { api } of sides) await times(STARTS, () => run(api));
  let there = 0;
  for (const count of COUNTS.split(',').map(Number)) {
    await fill(crowd, count - there);
    there = count;
    await measure(count, ...sides);
  }
} finally {
  for (const { api } of sides) api[Symbol.dispose]();
  await removeAll(crowd);
}
