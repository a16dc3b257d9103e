// make bench: Coracle beside the floor (bench/floor.c) and, where one is installed, a dockerd of
// its own, in one run on one machine, so that the numbers to keep are ratios.
// --quick makes fewer rounds, --json prints one JSON object in place of the table.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEngine } from '../tools/private-engine.ts';
import { ROOT } from '../tools/source.ts';
import { Api, field } from '../tools/api.ts';
import { measureBuilds } from './build.ts';
import { measureCommands } from './command.ts';
import { type Dockerd, startDockerd } from './dockerd.ts';
import { command, descendants, median, memoryOf, processes, times } from './measure.ts';
import { measureFloor } from './floor.ts';
import { measureImages } from './image.ts';
import { loadRows } from './load.ts';
import { measureNetwork, type NetworkFigures, networkRows } from './network.ts';
import { printRows, type Row } from './table.ts';

const QUICK = process.argv.includes('--quick');
const JSON_OUTPUT = process.argv.includes('--json');
const ROUNDS = QUICK ? 20 : 60;
const DOCKERD_ROUNDS = QUICK ? 3 : 8;
const PARALLEL = 20;
const STREAM_MIB = QUICK ? 50 : 200;
const LOG_MB = QUICK ? 20 : 100;
const LOAD_SECONDS = QUICK ? 5 : 60;
const MEMORY_CONTAINERS = QUICK ? 10 : 20;
const IMAGE = join(ROOT, 'dist/busybox.tar');

/** One side of the comparison: how to reach it, and which processes are it. */
type Side = {
  readonly name: 'coracle' | 'dockerd';
  readonly socket: string;
  readonly host: string;
  readonly pids: () => readonly number[];
};

const rows: Row[] = [];

function note(text: string): void {
  if (!JSON_OUTPUT) process.stderr.write(`bench: ${text}\n`);
}

function docker(side: Side, ...argv: string[]): Promise<number> {
  return command(['docker', '-H', side.host, ...argv]);
}

const HOST_CONFIG = { NetworkMode: 'none' };

async function startOnce(api: Api): Promise<void> {
  const id = await api.create({ Image: 'busybox', Cmd: ['true'], HostConfig: HOST_CONFIG });
  await api.must('POST', `/containers/${id}/start`);
  await api.must('POST', `/containers/${id}/wait`);
  await api.must('DELETE', `/containers/${id}`);
}

async function measureStart(side: Side): Promise<number> {
  using api = new Api(side.socket);
  return median(
    await times(side.name === 'dockerd' ? DOCKERD_ROUNDS : ROUNDS, () => startOnce(api)),
  );
}

async function runForever(side: Side, count: number): Promise<readonly string[]> {
  using api = new Api(side.socket, count);
  const body = { Image: 'busybox', Cmd: ['sleep', '1000'], HostConfig: HOST_CONFIG };
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const id = await api.create(body);
      await api.must('POST', `/containers/${id}/start`);
      return id;
    }),
  );
}

async function removeAll(side: Side, ids: readonly string[]): Promise<void> {
  using api = new Api(side.socket, 4);
  await Promise.all(ids.map((id) => api.must('DELETE', `/containers/${id}?force=1`)));
}

/** Of `count` a second, without what the same takes with none: the start has rows of its own. */
async function rate(count: number, msOf: (count: number) => Promise<number>): Promise<number> {
  const empty = [await msOf(0), await msOf(0), await msOf(0)];
  return count / (((await msOf(count)) - median(empty)) / 1000);
}

/** Milliseconds of so many MiB through `docker run`, that is through attach. */
async function attach(side: Side, mib: number): Promise<number> {
  const script = `head -c ${mib}m /dev/zero`;
  const startedAt = performance.now();
  const log = ['--log-driver', 'none'];
  const bytes = await docker(
    side,
    'run',
    '--rm',
    '--network',
    'none',
    ...log,
    'busybox',
    'sh',
    '-c',
    script,
  );
  if (bytes !== mib * 1024 * 1024) throw new Error(`attach lost bytes: ${bytes}`);
  return performance.now() - startedAt;
}

type LogMs = { readonly write: number; readonly read: number };

/** Milliseconds: lines written to the log by a detached container, then read back. */
async function logMs(side: Side, mb: number): Promise<LogMs> {
  const line = 'x'.repeat(99);
  const script = `yes ${line} | head -n ${mb * 10_000}`;
  using api = new Api(side.socket);
  const id = await api.create({
    Image: 'busybox',
    Cmd: ['sh', '-c', script],
    HostConfig: HOST_CONFIG,
  });
  const startedAt = performance.now();
  await api.must('POST', `/containers/${id}/start`);
  await api.must('POST', `/containers/${id}/wait`);
  const writtenAt = performance.now();
  const bytes = await docker(side, 'logs', id);
  const readAt = performance.now();
  await api.must('DELETE', `/containers/${id}`);
  if (bytes !== mb * 1_000_000) throw new Error(`logs lost bytes: ${bytes}`);
  return { write: writtenAt - startedAt, read: readAt - writtenAt };
}

/** KiB of private and shared memory in processes that are there because the container is. */
async function measureMemory(side: Side): Promise<{ readonly rss: number; readonly pss: number }> {
  const before = new Set(processes().map((each) => each.pid));
  const ids = await runForever(side, MEMORY_CONTAINERS);
  const inside = new Set<number>();
  using api = new Api(side.socket);
  for (const id of ids) {
    inside.add(
      Number(field(JSON.parse(await api.must('GET', `/containers/${id}/json`)), 'State.Pid')),
    );
  }
  const keepers = processes().filter(
    (each) =>
      !before.has(each.pid) &&
      !inside.has(each.pid) &&
      /coracle|containerd-shim|monitor/.test(each.name),
  );
  const sums = keepers.map((each) => memoryOf(each.pid));
  const total = (name: 'rss' | 'pss'): number =>
    sums.reduce((sum, each) => sum + each[name], 0) / MEMORY_CONTAINERS;
  const found = { rss: total('rss'), pss: total('pss') };
  await removeAll(side, ids);
  return found;
}

/** MiB resident: the daemon and what it keeps running for itself. */
function measureIdle(side: Side): number {
  return side.pids().reduce((sum, pid) => sum + memoryOf(pid).rss, 0) / 1024;
}

/** Containers a second when PARALLEL `docker run -d` are asked for at once. */
async function measureParallel(side: Side): Promise<number> {
  const name = (index: number): string => `bench-parallel-${index}`;
  const all = Array.from({ length: PARALLEL }, (_, index) => index);
  const startedAt = performance.now();
  await Promise.all(
    all.map((index) =>
      docker(
        side,
        'run',
        '-d',
        '--name',
        name(index),
        '--network',
        'none',
        'busybox',
        'sleep',
        '1000',
      ),
    ),
  );
  const rate = PARALLEL / ((performance.now() - startedAt) / 1000);
  await removeAll(side, all.map(name));
  return rate;
}

type Figures = {
  readonly idle: number;
  readonly start: number;
  readonly attach: number;
  readonly logWrite: number;
  readonly logRead: number;
  readonly parallel: number;
  readonly memory: number;
  readonly memoryPss: number;
};

async function measureSide(side: Side): Promise<Figures> {
  note(`${side.name}: memory, idle`);
  const idle = measureIdle(side);
  note(`${side.name}: start through the API`);
  const start = await measureStart(side);
  note(`${side.name}: streams`);
  const attachRate = await rate(STREAM_MIB, (mib) => attach(side, mib));
  const reads: number[] = [];
  const logWrite = await rate(LOG_MB, async (mb) => {
    const { write, read } = await logMs(side, mb);
    reads.push(read);
    return write;
  });
  note(`${side.name}: ${PARALLEL} at once, memory of ${MEMORY_CONTAINERS}`);
  const parallel = await measureParallel(side);
  const memory = await measureMemory(side);
  return {
    idle,
    start,
    attach: attachRate,
    parallel,
    logWrite,
    logRead: LOG_MB / ((reads.at(-1) ?? Number.NaN) / 1000),
    memory: memory.rss,
    memoryPss: memory.pss,
  };
}

/** `faster`: the other's value must be at least `goal` times ours; `rate` the same for rates. */
function compare(
  what: string,
  unit: string,
  ours: number,
  other: number | undefined,
  rule: {
    readonly kind: 'faster' | 'rate';
    readonly goal: number;
  },
): void {
  const ratio =
    other === undefined ? undefined : rule.kind === 'faster' ? other / ours : ours / other;
  rows.push({
    what,
    unit,
    ours,
    other,
    otherName: other === undefined ? '' : 'dockerd',
    goal: rule.goal === 1 ? 'ahead of dockerd' : `>= ${rule.goal}x dockerd`,
    ratio,
    ok: ratio === undefined ? undefined : ratio >= rule.goal,
  });
}

function tabulate(floor: number, ours: Figures, theirs: Figures | undefined): void {
  const ratio = ours.start / floor;
  rows.push({
    what: 'start (create, start, wait, remove)',
    unit: 'ms',
    ours: ours.start,
    other: floor,
    otherName: 'floor',
    goal: '<= 3x the floor',
    ratio,
    ok: ratio <= 3,
  });
  compare('the same beside dockerd', 'ms', ours.start, theirs?.start, { kind: 'faster', goal: 8 });
  compare('20 parallel docker run -d', '/s', ours.parallel, theirs?.parallel, {
    kind: 'rate',
    goal: 5,
  });
  compare('attach throughput', 'MiB/s', ours.attach, theirs?.attach, { kind: 'rate', goal: 1 });
  compare('log write throughput', 'MB/s', ours.logWrite, theirs?.logWrite, {
    kind: 'rate',
    goal: 1,
  });
  compare('docker logs throughput', 'MB/s', ours.logRead, theirs?.logRead, {
    kind: 'rate',
    goal: 1,
  });
  rows.push({
    what: 'memory a container, resident',
    unit: 'KiB',
    ours: ours.memory,
    other: theirs?.memory,
    otherName: theirs === undefined ? '' : 'dockerd',
    goal: '<= 1024 KiB',
    ratio: theirs === undefined ? undefined : theirs.memory / ours.memory,
    ok: ours.memory <= 1024,
  });
  rows.push({
    what: 'memory idle, daemon and agent',
    unit: 'MiB',
    ours: ours.idle,
    other: theirs?.idle,
    otherName: theirs === undefined ? '' : 'dockerd',
    goal: '<= 100 MiB, < dockerd',
    ratio: theirs === undefined ? undefined : theirs.idle / ours.idle,
    ok: ours.idle <= 100 && (theirs === undefined || ours.idle < theirs.idle),
  });
}

type Ours = {
  readonly floor: number;
  readonly ours: Figures;
  readonly network: NetworkFigures;
};

/** As where either is installed: sockets and run directories are on a tmpfs. */
const execRoot = (name: string): string => `/run/bench-${name}-${process.pid}`;

async function benchEngine(): Promise<Ours> {
  const flags = ['--exec-root', execRoot('coracle')];
  await using parts = new AsyncDisposableStack();
  parts.defer(() => rmSync(execRoot('coracle'), { recursive: true, force: true }));
  const engine = parts.use(await startEngine({ flags }));
  const pids = (): readonly number[] => [
    engine.pid,
    ...descendants(engine.pid).map((each) => each.pid),
  ];
  const side: Side = { name: 'coracle', socket: engine.socket, host: engine.host, pids };
  note('the floor');
  const floor = measureFloor(engine, ROUNDS);
  try {
    const ours = await measureSide(side);
    note('networks: set-up, 500 ports');
    return { floor, ours, network: await measureNetwork(engine, ROUNDS) };
  } catch (error) {
    process.stderr.write(`${engine.log()}\n`);
    throw error;
  }
}

async function benchDockerd(): Promise<Figures | undefined> {
  const directory = `/tmp/coracle-bench-dockerd-${process.pid}`;
  note('starting a dockerd to compare with');
  const started: Dockerd | undefined = await startDockerd(
    { directory, execRoot: execRoot('dockerd') },
    IMAGE,
  );
  if (started === undefined) {
    note('no dockerd is installed here (Debian: docker.io); measuring without it');
    return undefined;
  }
  await using dockerd = started;
  return await measureSide({ name: 'dockerd', ...dockerd });
}

const { floor, ours, network } = await benchEngine();
tabulate(floor, ours, await benchDockerd());
rows.push(...(await measureCommands(note)));
rows.push(...networkRows(network));
rows.push(...(await measureImages(note)));
rows.push(...(await measureBuilds(note)));
note('a list of many containers');
rows.push(...(await loadRows(LOAD_SECONDS)));
printRows(rows, JSON_OUTPUT);
