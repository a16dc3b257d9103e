// The image's defaults under the user's wishes: what really runs. Pure.
import { EngineError } from '#base/error.ts';
import { shortId } from '#base/id.ts';
import type { ContainerView } from './engine.ts';
import { portKeys, readPorts } from './publish.ts';
import type { ContainerConfig, Healthcheck, HostConfig } from './spec.ts';

/** What container/ reads of an image's config (OCI image-spec config.md, "config"). */
export type ImageConfig = {
  readonly user: string;
  readonly exposedPorts: readonly string[];
  readonly env: readonly string[];
  readonly entrypoint: readonly string[] | undefined;
  readonly cmd: readonly string[] | undefined;
  readonly volumes: readonly string[];
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string | undefined;
  readonly healthcheck: Healthcheck | undefined;
};

export type Merged = ContainerView['merged'];

/** B16 of the baseline: what a process sees when image and user say nothing. */
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** HOST_NAME_MAX of Linux is 64; Docker allows 63 (RFC 1123 label). */
const HOSTNAME_LENGTH_MAX = 63;

export function mergeConfig(user: ContainerConfig, image: ImageConfig): Merged {
  const { entrypoint, cmd } = mergeCommand(user, image);
  const [path, ...args] = [...(entrypoint ?? []), ...(cmd ?? [])];
  if (path === undefined) {
    throw new EngineError('invalid_argument', 'no command specified');
  }
  return {
    path,
    args,
    env: configEnv(image.env, user.env),
    workingDir: user.workingDir === '' ? image.workingDir : user.workingDir,
    user: user.user === '' ? image.user : user.user,
    entrypoint,
    cmd,
    labels: { ...image.labels, ...user.labels },
    exposedPorts: mergePorts(user.exposedPorts, image.exposedPorts),
    volumes: unique([...image.volumes, ...user.volumes]),
    stopSignal: user.stopSignal ?? image.stopSignal,
    healthcheck: mergeHealthcheck(user.healthcheck, image.healthcheck),
    hostname: user.hostname,
  };
}

/** Who shows or publishes them need not look again: those of an image that are no ports go here. */
function mergePorts(user: readonly string[], image: readonly string[]): readonly string[] {
  const known = image.filter((text) => readPorts(text) !== undefined);
  const ports = unique([...known, ...user]);
  portKeys(ports); // throws when there are too many
  return ports;
}

/**
 * Docker's rule: a user's entrypoint throws the image's CMD away; an empty list keeps the CMD but
 * not the entrypoint; [""] (`--entrypoint ""`) keeps neither, and in an image is none.
 */
function mergeCommand(
  user: Pick<ContainerConfig, 'entrypoint' | 'cmd'>,
  image: Pick<ImageConfig, 'entrypoint' | 'cmd'>,
): Pick<Merged, 'entrypoint' | 'cmd'> {
  if (user.entrypoint !== undefined && user.entrypoint.length > 0) {
    return { entrypoint: withoutEmpty(user.entrypoint), cmd: user.cmd };
  }
  return {
    entrypoint: user.entrypoint === undefined ? withoutEmpty(image.entrypoint) : undefined,
    cmd: user.cmd === undefined || user.cmd.length === 0 ? image.cmd : user.cmd,
  };
}

function withoutEmpty(entrypoint: readonly string[] | undefined): readonly string[] | undefined {
  return entrypoint?.length === 1 && entrypoint[0] === '' ? undefined : entrypoint;
}

/** The user's own first, then what only the image has: clients read them in Docker's order. */
function configEnv(image: readonly string[], user: readonly string[]): readonly string[] {
  const own = new Set(user.map(nameOf));
  return mergeEnv(
    mergeEnv([], user),
    image.filter((entry) => !own.has(nameOf(entry))),
  );
}

/** The user's value wins by name; names keep the order in which they came first. */
export function mergeEnv(image: readonly string[], user: readonly string[]): readonly string[] {
  const values = new Map<string, string>();
  for (const entry of image) values.set(nameOf(entry), entry);
  for (const entry of user) values.set(nameOf(entry), entry);
  // "NAME" without "=" takes the variable away (docker run -e NAME, unset at the client).
  return [...values.values()].filter((entry) => entry.includes('='));
}

function nameOf(entry: string): string {
  const at = entry.indexOf('=');
  return at === -1 ? entry : entry.slice(0, at);
}

/** The whole environment of the first process, but for HOME. */
export function processEnv(
  merged: Merged,
  own: { readonly hostname: string; readonly tty: boolean; readonly links: readonly string[] },
): readonly string[] {
  const term = own.tty ? ['TERM=xterm'] : [];
  const defaults = [DEFAULT_PATH, `HOSTNAME=${own.hostname}`, ...term, ...own.links];
  return mergeEnv(defaults, merged.env);
}

/** The name that uname(2) shows: wished, the host's with --uts/--network host, or the short id. */
export function hostnameOf(
  id: string,
  config: ContainerConfig,
  host: HostConfig,
  hostHostname: string,
): string {
  if (config.hostname.length > HOSTNAME_LENGTH_MAX) {
    throw new EngineError(
      'invalid_argument',
      `hostname "${config.hostname}" is too long (maximum ${HOSTNAME_LENGTH_MAX} bytes)`,
    );
  }
  if (host.utsMode === 'host') return hostHostname;
  if (config.hostname !== '') return config.hostname;
  return host.networkMode === 'host' ? hostHostname : shortId(id);
}

function mergeHealthcheck(
  user: Healthcheck | undefined,
  image: Healthcheck | undefined,
): Healthcheck | undefined {
  if (user === undefined || image === undefined) return user ?? image;
  return {
    test: user.test.length > 0 ? user.test : image.test,
    interval: user.interval || image.interval,
    timeout: user.timeout || image.timeout,
    retries: user.retries || image.retries,
    startPeriod: user.startPeriod || image.startPeriod,
    startInterval: user.startInterval || image.startInterval,
  };
}

function unique(list: readonly string[]): readonly string[] {
  return [...new Set(list)];
}
