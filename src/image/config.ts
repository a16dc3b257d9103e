// The image configuration: the JSON whose digest is the image's ID (OCI image-spec config.md and
// Docker's image spec v1.2, which adds Healthcheck, OnBuild, Shell). The bytes are kept as they
// came; this file gives them types and writes new ones.
import { type Nanoseconds, ZERO_TIME, formatTime, parseTime } from '#base/clock.ts';
import { type Digest, isDigest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import {
  type JsonMap,
  asList,
  asMap,
  keySet,
  optionalInteger,
  optionalList,
  optionalMap,
  optionalString,
  optionalStrings,
  parseJson,
  stringMap,
} from './json.ts';

/** Bytes of one configuration. */
export const CONFIG_BYTES_MAX = 8 * 1024 * 1024;
/** Entries of any list or map in it: Env, Labels, Cmd, ... */
export const CONFIG_ENTRIES_MAX = 10_000;
/** Layers of one image: what the kernel's overlayfs accepts is 500. */
export const LAYERS_MAX = 500;

/** Durations in nanoseconds, as Docker's. */
export type Healthcheck = {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly retries: number;
  readonly startPeriod: number;
  readonly startInterval: number;
};

/** What the image says about how to run it. */
export type ImageConfig = {
  readonly user: string;
  readonly exposedPorts: readonly string[];
  readonly env: readonly string[];
  /** undefined = not said; [] = said to be empty. */
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  readonly volumes: readonly string[];
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string | undefined;
  readonly healthcheck: Healthcheck | undefined;
  readonly shell: readonly string[] | undefined;
  readonly onBuild: readonly string[];
};

export type HistoryEntry = {
  readonly created: Nanoseconds | undefined;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
};

export type ImageSpec = {
  readonly created: Nanoseconds | undefined;
  readonly author: string;
  readonly comment: string;
  readonly dockerVersion: string;
  readonly architecture: string;
  readonly variant: string;
  readonly os: string;
  readonly osVersion: string;
  readonly config: ImageConfig;
  /** Lowest layer first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
  /** Of an image that was committed: which container, and how that was to run. */
  readonly container?: string;
  readonly containerConfig?: ImageConfig;
};

export const EMPTY_CONFIG: ImageConfig = {
  user: '',
  exposedPorts: [],
  env: [],
  entrypoint: undefined,
  cmd: undefined,
  volumes: [],
  workingDir: '',
  labels: {},
  stopSignal: undefined,
  healthcheck: undefined,
  shell: undefined,
  onBuild: [],
};

export function parseImageSpec(bytes: Uint8Array): ImageSpec {
  if (bytes.length > CONFIG_BYTES_MAX) {
    throw new EngineError('limit_exceeded', 'image config exceeds CONFIG_BYTES_MAX', {
      facts: { limit: 'CONFIG_BYTES_MAX', max: CONFIG_BYTES_MAX },
    });
  }
  const raw = asMap(parseJson(bytes, 'image config'), 'image config');
  // A manifest or index that is taken for a config would be an image of nothing (CVE-2021-41190).
  if (raw.has('layers') || raw.has('manifests') || raw.has('fsLayers')) {
    throw new EngineError('corrupt', 'image config is a manifest');
  }
  const text = (key: string) => optionalString(raw.get(key), `image config: ${key}`);
  const history = optionalList(raw.get('history'), 'image config: history', CONFIG_ENTRIES_MAX);
  return {
    created: parseCreated(text('created')),
    author: text('author'),
    comment: text('comment'),
    dockerVersion: text('docker_version'),
    architecture: text('architecture'),
    variant: text('variant'),
    os: text('os'),
    osVersion: text('os.version'),
    config: parseRuntime(optionalMap(raw.get('config'), 'image config: config')),
    diffIds: parseRootfs(raw.get('rootfs')),
    history: history.map(parseHistory),
    ...parseOrigin(raw),
  };
}

function parseOrigin(raw: JsonMap): Pick<ImageSpec, 'container' | 'containerConfig'> {
  const container = optionalString(raw.get('container'), 'image config: container');
  const config = optionalMap(raw.get('container_config'), 'image config: container_config');
  return {
    ...(container === '' ? {} : { container }),
    ...(config === undefined ? {} : { containerConfig: parseRuntime(config) }),
  };
}

function parseCreated(text: string): Nanoseconds | undefined {
  if (text === '' || text === ZERO_TIME) return undefined;
  const time = parseTime(text);
  if (time === undefined) throw new EngineError('corrupt', 'image config: created is not a time');
  return time;
}

function parseRootfs(value: unknown): readonly Digest[] {
  const rootfs = optionalMap(value, 'image config: rootfs');
  if (rootfs === undefined) throw new EngineError('corrupt', 'invalid image JSON, no RootFS key');
  const type = optionalString(rootfs.get('type'), 'image config: rootfs.type');
  if (type !== 'layers') throw new EngineError('corrupt', `unknown rootfs type ${type}`);
  const where = 'image config: rootfs.diff_ids';
  return optionalList(rootfs.get('diff_ids'), where, LAYERS_MAX).map((diffId) => {
    if (isDigest(diffId)) return diffId;
    throw new EngineError('corrupt', `${where}: invalid digest`);
  });
}

function parseHistory(value: unknown, index: number): HistoryEntry {
  const where = `image config: history[${index}]`;
  const raw = asMap(value, where);
  const empty = raw.get('empty_layer');
  if (empty !== undefined && empty !== null && typeof empty !== 'boolean') {
    throw new EngineError('corrupt', `${where}.empty_layer must be true or false`);
  }
  return {
    created: parseCreated(optionalString(raw.get('created'), `${where}.created`)),
    createdBy: optionalString(raw.get('created_by'), `${where}.created_by`),
    author: optionalString(raw.get('author'), `${where}.author`),
    comment: optionalString(raw.get('comment'), `${where}.comment`),
    emptyLayer: empty === true,
  };
}

function parseRuntime(raw: JsonMap | undefined): ImageConfig {
  if (raw === undefined) return EMPTY_CONFIG;
  const at = (key: string) => `image config: ${key}`;
  const text = (key: string) => optionalString(raw.get(key), at(key));
  const strings = (key: string) => optionalStrings(raw.get(key), at(key), CONFIG_ENTRIES_MAX);
  return {
    user: text('User'),
    exposedPorts: keySet(raw.get('ExposedPorts'), at('ExposedPorts'), CONFIG_ENTRIES_MAX),
    env: strings('Env') ?? [],
    entrypoint: strings('Entrypoint'),
    cmd: strings('Cmd'),
    volumes: keySet(raw.get('Volumes'), at('Volumes'), CONFIG_ENTRIES_MAX),
    workingDir: text('WorkingDir'),
    labels: stringMap(raw.get('Labels'), at('Labels'), CONFIG_ENTRIES_MAX),
    stopSignal: text('StopSignal') === '' ? undefined : text('StopSignal'),
    healthcheck: parseHealthcheck(optionalMap(raw.get('Healthcheck'), at('Healthcheck'))),
    shell: strings('Shell'),
    onBuild: strings('OnBuild') ?? [],
  };
}

function parseHealthcheck(raw: JsonMap | undefined): Healthcheck | undefined {
  if (raw === undefined) return undefined;
  const at = (key: string) => `image config: Healthcheck.${key}`;
  const integer = (key: string) => optionalInteger(raw.get(key), at(key));
  return {
    test: optionalStrings(raw.get('Test'), at('Test'), CONFIG_ENTRIES_MAX) ?? [],
    interval: integer('Interval'),
    timeout: integer('Timeout'),
    retries: integer('Retries'),
    startPeriod: integer('StartPeriod'),
    startInterval: integer('StartInterval'),
  };
}

/** The JSON of a new image; the same spec always gives the same bytes, so the same ID. */
export function encodeImageSpec(spec: ImageSpec): Buffer {
  const created = (time: Nanoseconds | undefined) =>
    time === undefined ? undefined : formatTime(time);
  return Buffer.from(
    JSON.stringify({
      architecture: spec.architecture,
      ...(spec.variant === '' ? {} : { variant: spec.variant }),
      ...(spec.author === '' ? {} : { author: spec.author }),
      ...(spec.comment === '' ? {} : { comment: spec.comment }),
      config: runtimeJson(spec.config),
      ...(spec.container === undefined ? {} : { container: spec.container }),
      ...(spec.containerConfig === undefined
        ? {}
        : { container_config: runtimeJson(spec.containerConfig) }),
      created: created(spec.created),
      ...(spec.dockerVersion === '' ? {} : { docker_version: spec.dockerVersion }),
      history: spec.history.map((entry) => ({
        created: created(entry.created),
        ...(entry.createdBy === '' ? {} : { created_by: entry.createdBy }),
        ...(entry.author === '' ? {} : { author: entry.author }),
        ...(entry.comment === '' ? {} : { comment: entry.comment }),
        ...(entry.emptyLayer ? { empty_layer: true } : {}),
      })),
      os: spec.os,
      ...(spec.osVersion === '' ? {} : { 'os.version': spec.osVersion }),
      rootfs: { type: 'layers', diff_ids: spec.diffIds },
    }),
  );
}

function runtimeJson(config: ImageConfig): Record<string, unknown> {
  const set = (keys: readonly string[]) =>
    keys.length === 0 ? undefined : Object.fromEntries(keys.map((key) => [key, {}]));
  const list = (items: readonly string[]) => (items.length === 0 ? undefined : items);
  const { healthcheck } = config;
  return {
    User: config.user === '' ? undefined : config.user,
    ExposedPorts: set(config.exposedPorts),
    Env: list(config.env),
    Cmd: config.cmd,
    Healthcheck:
      healthcheck === undefined
        ? undefined
        : {
            Test: healthcheck.test,
            Interval: healthcheck.interval || undefined,
            Timeout: healthcheck.timeout || undefined,
            StartPeriod: healthcheck.startPeriod || undefined,
            StartInterval: healthcheck.startInterval || undefined,
            Retries: healthcheck.retries || undefined,
          },
    Volumes: set(config.volumes),
    WorkingDir: config.workingDir === '' ? undefined : config.workingDir,
    Entrypoint: config.entrypoint,
    OnBuild: list(config.onBuild),
    Labels: Object.keys(config.labels).length === 0 ? undefined : config.labels,
    StopSignal: config.stopSignal,
    Shell: config.shell,
  };
}

/** How many layers the history speaks of must not exceed those there are. */
export function checkHistory(spec: ImageSpec): void {
  const layers =
    asList(spec.history, 'history', CONFIG_ENTRIES_MAX).length === 0
      ? 0
      : spec.history.filter((entry) => !entry.emptyLayer).length;
  if (layers > spec.diffIds.length) {
    throw new EngineError('corrupt', 'too many non-empty layers in History section');
  }
}
