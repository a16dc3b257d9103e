// The API server on a private socket, over the recording engine; and the smallest HTTP client.
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiDeps } from '#api/deps.ts';
import { type ApiServer, createApiServer } from '#api/server.ts';
import type { SystemFacts } from '#api/system/facts.ts';
import { EngineError } from '#base/error.ts';
import { silentLog } from '#base/log.ts';
import { EventBus } from '#event/bus.ts';
import { RecordingEngine } from './engine.ts';
import { RecordingNetworks } from './networks.ts';

export const FACTS: SystemFacts = {
  version: '0.1.0',
  gitCommit: 'abc',
  buildTime: '2026-01-01T00:00:00Z',
  id: 'ID',
  hostname: 'host',
  dataRoot: '/d',
  debug: false,
  kernelVersion: '6.18',
  operatingSystem: 'Debian',
  osVersion: '12',
  machine: 'x86_64',
  cpus: 2,
  memoryBytes: 1024,
  driver: 'overlay2',
  driverStatus: [],
  cgroupDriver: 'cgroupfs',
  cgroupVersion: 1,
  limits: {
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
    OomKillDisable: true,
    IPv4Forwarding: true,
  },
  runtimes: { coracle: {} },
  defaultRuntime: 'coracle',
  securityOptions: ['name=seccomp,profile=builtin'],
  networkDrivers: ['bridge', 'host', 'null'],
  firewallBackend: 'nftables',
  volumeDrivers: ['local'],
  registries: { IndexConfigs: {}, InsecureRegistryCIDRs: [], Mirrors: [] },
  logDrivers: ['json-file', 'none'],
  defaultLogDriver: 'json-file',
  labels: [],
  proxies: { http: '', https: '', none: '' },
  warnings: [],
  maskedPaths: ['/proc/kcore'],
  readonlyPaths: ['/proc/sys'],
};

export type Answer = {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
};

export type TestServer = AsyncDisposable & {
  readonly engine: RecordingEngine;
  readonly networks: RecordingNetworks;
  readonly events: EventBus;
  readonly api: ApiServer;
  readonly path: string;
  ask(method: string, target: string, body?: string, headers?: object): Promise<Answer>;
  /** JSON in, JSON out. */
  json(method: string, target: string, body?: unknown): Promise<unknown>;
  connect(): Socket;
};

export async function startServer(): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'coracle-api-'));
  const path = join(directory, 's');
  const engine = new RecordingEngine();
  const networks = new RecordingNetworks();
  const events = new EventBus();
  const api = createApiServer({
    containers: engine,
    images: noImages(),
    explore: () => Promise.reject(new EngineError('not_found', 'No such image: x:latest')),
    builds: {
      build: () => Promise.reject(new EngineError('invalid_argument', 'Cannot locate Dockerfile')),
      prune: () => Promise.resolve({ deleted: [], bytes: 0 }),
      takeAgentCall: () => {
        throw new EngineError('not_found', 'no step waits');
      },
      usage: () => Promise.resolve([]),
    },
    volumes: noVolumes(),
    networks,
    events,
    slices: noSlices(),
    cgroups: { tree: async () => [], subsystems: () => [] },
    facts: FACTS,
    log: silentLog,
  });
  await api.listen({ path });
  const ask: TestServer['ask'] = (method, target, body, headers) =>
    send(path, method, target, body, headers);
  return {
    engine,
    networks,
    events,
    api,
    path,
    ask,
    json: async (method, target, body) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const type = text === undefined ? {} : { 'Content-Type': 'application/json' };
      return JSON.parse((await ask(method, target, text, type)).text);
    },
    connect: () => connect({ path, allowHalfOpen: true }),
    [Symbol.asyncDispose]: async () => {
      await api.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function send(
  socketPath: string,
  method: string,
  path: string,
  body: string | undefined,
  headers: object | undefined,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const out = request({ socketPath, method, path, headers: { ...headers } }, (response) => {
    const pieces: Buffer[] = [];
    response.on('data', (piece: Buffer) => pieces.push(piece));
    response.on('error', reject);
    response.on('end', () => {
      const text = Buffer.concat(pieces).toString();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
  });
  out.on('error', reject);
  out.end(body);
  return promise;
}

function noImages(): ApiDeps['images'] {
  const missing = (ref: string): never => {
    throw new EngineError('not_found', `No such image: ${ref}`);
  };
  const drain = async (stream: AsyncIterable<Uint8Array>): Promise<never> => {
    for await (const _chunk of stream);
    throw new EngineError('corrupt', 'archive is cut short');
  };
  return {
    resolve: missing,
    history: missing,
    list: () => [],
    load: drain,
    import: drain,
    save: ([ref = '']) => missing(ref),
    tag: async (ref) => missing(ref),
    remove: async (ref) => missing(ref),
    prune: async () => ({ removed: [], bytes: 0 }),
    pull: async (ref) => missing(ref),
    partials: async () => ({ bytes: 0, free: 0 }),
    push: async (ref) => missing(ref),
    inspectRemote: async (ref) => missing(ref),
    login: async () => ({ identityToken: '' }),
    search: async () => [],
    deps: { snapshots: { list: () => [] } },
  };
}

function noVolumes(): ApiDeps['volumes'] {
  const missing = (name: string): never => {
    throw new EngineError('not_found', `get ${name}: no such volume`);
  };
  return {
    list: () => [],
    get: missing,
    create: async ({ name }) => ({
      name,
      driver: 'local',
      mountpoint: `/v/${name}`,
      createdAt: '2026-01-01T00:00:00Z',
      labels: {},
      options: {},
      anonymous: false,
      source: { kind: 'directory' },
      limit: undefined,
    }),
    users: () => new Map(),
    usage: async () => ({ bytes: 0 }),
    clone: async (name) => missing(name),
    snapshot: async (name) => missing(name),
    snapshots: async (name) => missing(name),
    removeSnapshot: async (name) => missing(name),
    rollback: async (name) => missing(name),
    rename: async (name) => missing(name),
    resize: async (name) => missing(name),
    pruned: () => {},
    remove: async (name) => missing(name),
  };
}

function noSlices(): ApiDeps['slices'] {
  const none = (): never => {
    throw new EngineError('not_found', 'No such slice: x');
  };
  return {
    create: none,
    update: none,
    remove: none,
    inspect: none,
    list: () => [],
    effectiveOf: none,
    effective: () => ({}),
    place: () => ({ slice: undefined, parent: '/coracle' }),
  };
}
