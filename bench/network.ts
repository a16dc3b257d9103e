// What networks cost: a start on the default bridge beside one without a network and beside the
// floor (bench/net-floor.c), and what 500 published ports change.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { field, Api } from '../tools/api.ts';
import type { PrivateEngine } from '../tools/private-engine.ts';
import { ROOT } from '../tools/source.ts';
import { lowerQuartile } from './measure.ts';
import type { Row } from './table.ts';

const PORTS_MANY = 500;
const PORTS_SAMPLE = 20;
const FIRST_PORT = 20_000;
const CONNECTIONS = '1000';
/** Connects, one after the other, and prints the microseconds that one takes. */
const CONNECTOR = join(import.meta.dirname, 'connect.ts');

type Pair = { readonly first: number; readonly many: number };

export type NetworkFigures = {
  readonly floor: number;
  /** Milliseconds of create, start, exit and remove. */
  readonly none: number;
  readonly bridge: number;
  readonly published: number;
  /** Milliseconds to publish one more port, to start with one, microseconds to connect. */
  readonly publish: Pair;
  readonly start: Pair;
  readonly connect: Pair;
};

async function startOnce(api: Api, hostConfig: Record<string, unknown>): Promise<number> {
  const startedAt = performance.now();
  const id = await api.create({ Image: 'busybox', Cmd: ['true'], HostConfig: hostConfig });
  await api.must('POST', `/containers/${id}/start`);
  await api.must('POST', `/containers/${id}/wait`);
  await api.must('DELETE', `/containers/${id}`);
  return performance.now() - startedAt;
}

const publishing = (hostPort: number): Record<string, unknown> => ({
  PortBindings: { '80/tcp': [{ HostIp: '', HostPort: String(hostPort) }] },
});

/** The kinds in turn, so that what else the machine does weighs on each alike. */
async function measureStarts(api: Api, rounds: number) {
  const none: number[] = [];
  const bridge: number[] = [];
  const published: number[] = [];
  for (let i = -2; i < rounds; i += 1) {
    const found = [
      await startOnce(api, { NetworkMode: 'none' }),
      await startOnce(api, {}),
      await startOnce(api, publishing(FIRST_PORT - 1)),
    ];
    if (i < 0) continue; // warm
    for (const [index, list] of [none, bridge, published].entries()) list.push(found[index] ?? 0);
  }
  return {
    none: lowerQuartile(none),
    bridge: lowerQuartile(bridge),
    published: lowerQuartile(published),
  };
}

async function publish(api: Api, id: string, first: number, count: number): Promise<number> {
  const times: number[] = [];
  for (let port = first; port < first + count; port += 1) {
    const startedAt = performance.now();
    await api.must('POST', `/coracle/containers/${id}/ports`, {
      Add: { '80/tcp': [{ HostIp: '', HostPort: String(port) }] },
    });
    times.push(performance.now() - startedAt);
  }
  return lowerQuartile(times);
}

function connect(engine: PrivateEngine, port: number): number {
  const argv = [`--net=${engine.namespace}`, process.execPath, CONNECTOR, String(port)];
  return Number(execFileSync('nsenter', [...argv, CONNECTIONS]).toString());
}

async function measureStart(api: Api, rounds: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i += 1) times.push(await startOnce(api, publishing(FIRST_PORT - 1)));
  return lowerQuartile(times);
}

async function runServer(api: Api): Promise<string> {
  const id = await api.create({ Image: 'busybox', Cmd: ['httpd', '-f', '-p', '80'] });
  await api.must('POST', `/containers/${id}/start`);
  return id;
}

/** What a first port of a container costs, and what it costs when another has `PORTS_MANY`. */
async function measurePorts(engine: PrivateEngine, api: Api, rounds: number) {
  const ids = [await runServer(api), await runServer(api), await runServer(api)];
  const [first = '', many = '', last = ''] = ids;
  await publish(api, many, FIRST_PORT, PORTS_SAMPLE); // the bridge's rules and the code are warm
  const connectFirst = connect(engine, FIRST_PORT);
  const startFirst = await measureStart(api, rounds);
  const publishFirst = await publish(api, first, FIRST_PORT + PORTS_MANY, PORTS_SAMPLE);
  await publish(api, many, FIRST_PORT + PORTS_SAMPLE, PORTS_MANY - PORTS_SAMPLE);
  const behind = FIRST_PORT + PORTS_MANY + PORTS_SAMPLE;
  const publishMany = await publish(api, last, behind, PORTS_SAMPLE);
  const startMany = await measureStart(api, rounds);
  const connectMany = connect(engine, behind);
  for (const id of ids) await api.must('DELETE', `/containers/${id}?force=1`);
  return {
    publish: { first: publishFirst, many: publishMany },
    start: { first: startFirst, many: startMany },
    connect: { first: connectFirst, many: connectMany },
  };
}

function measureFloor(engine: PrivateEngine, rounds: number): number {
  const directory = join(engine.directory, 'net-floor');
  mkdirSync(directory);
  const out = execFileSync(join(ROOT, 'build/net-floor'), [directory, String(rounds)]).toString();
  rmSync(directory, { recursive: true });
  return Number(field(JSON.parse(out), 'median_ms'));
}

export async function measureNetwork(
  engine: PrivateEngine,
  rounds: number,
): Promise<NetworkFigures> {
  using api = new Api(engine.socket);
  const floor = measureFloor(engine, rounds);
  const starts = await measureStarts(api, rounds);
  return { floor, ...starts, ...(await measurePorts(engine, api, rounds)) };
}

const NETWORK_MS_MAX = 15;
const MANY_RATIO_MAX = 1.3;

function growth(what: string, unit: string, { first, many }: Pair): Row {
  const ratio = many / first;
  return {
    what,
    unit,
    ours: many,
    other: first,
    otherName: 'first',
    goal: `<= ${MANY_RATIO_MAX}x the first`,
    ratio,
    ok: ratio <= MANY_RATIO_MAX,
  };
}

export function networkRows(figures: NetworkFigures): readonly Row[] {
  const { floor, none, bridge, published } = figures;
  const cost = (what: string, ours: number): Row => ({
    what,
    unit: 'ms',
    ours,
    other: floor,
    otherName: 'floor',
    goal: `<= ${NETWORK_MS_MAX} ms`,
    ratio: ours / floor,
    ok: ours <= NETWORK_MS_MAX,
  });
  return [
    cost('network, set up and removed', bridge - none),
    cost('network with one published port', published - none),
    growth(`port published behind ${PORTS_MANY}`, 'ms', figures.publish),
    growth(`start with a port behind ${PORTS_MANY}`, 'ms', figures.start),
    growth(`new connection, ${PORTS_MANY} ports`, 'us', figures.connect),
  ];
}
