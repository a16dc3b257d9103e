// RUN: one command in a container like any other, whose root is where the stage stands. What it
// wrote is the layer.
import { mkdir, mkdtemp, rm, writeFile, chmod, chown } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { EngineError } from '#base/error.ts';
import { PLAIN_WISH } from '#container/endpoint.ts';
import { PLAIN_CONFIG, PLAIN_HOST } from '#container/plain-spec.ts';
import type { ContainerSpec, MountSpec } from '#container/spec.ts';
import type { Ingest } from '#image/content/content.ts';
import type { EncodeEntry } from '#tar/encode.ts';
import type { BuildShared } from './shared.ts';
import { failedStep } from './shared.ts';
import type { Place } from './dockerfile/fault.ts';
import type { RunMount } from './run-mount.ts';
import { chainOfState, digestOf, type State } from './state.ts';

/** Containers of builds carry it, so that those of a daemon that died are found. */
export const BUILD_LABEL = 'coracle.build';
const HEADER_BYTES = 8;
const SECRET_MODE = 0o400;
const CACHE_MODE = 0o755;
const SCRIPT_MODE = 0o755;
const SCRIPT_DIRECTORY = '/dev/pipes';

export type RunWish = {
  readonly state: State;
  readonly argv: readonly string[];
  /** All of it: the image's and the arguments. */
  readonly env: readonly string[];
  readonly network: string;
  readonly mounts: readonly ResolvedMount[];
  /** Scripts of here-documents that name their own interpreter, by file name. */
  readonly scripts: ReadonlyMap<string, string>;
  readonly step: number;
  readonly place: Place;
  readonly privileged: boolean;
};

/** A mount whose source is decided. */
export type ResolvedMount = {
  readonly mount: RunMount;
  /** bind: a directory of the context, or an image that is there. */
  readonly from:
    | { readonly kind: 'path'; readonly path: string }
    | { readonly kind: 'image'; readonly ref: string }
    | undefined;
};

/** The layer's archive; undefined when nothing was written. */
export async function runStep(build: BuildShared, wish: RunWish): Promise<Ingest> {
  const { containers, ephemeral } = build.deps;
  await using parts = new AsyncDisposableStack();
  const { mounts, env } = await mountsOf(build, wish, parts);
  const id = imageRef(wish.state);
  const { spec } = wish.state;
  using _image = ephemeral.add({
    id,
    name: id,
    config: spec.config,
    chain: chainOfState(wish.state),
    platform: `${spec.os}/${spec.architecture}`,
  });
  const created = await containers.create(specOf(build, wish, id, mounts, env));
  const container = created.id;
  let keep = false;
  parts.defer(async () => {
    if (keep) return;
    await containers.remove(container, { force: true, volumes: true, link: false });
    await build.tell({ kind: 'removed', step: wish.step, container });
  });
  await build.tell({ kind: 'running', step: wish.step, container });
  const code = await execute(build, wish, container);
  if (code !== 0) {
    keep = build.request.keepContainers;
    throw failedStep(
      wish.place,
      `The command '${wish.argv.join(' ')}' returned a non-zero code: ${code}`,
      { exitCode: code },
    );
  }
  const { signal } = build;
  const targets = new Set(mounts.map(({ target }) => target.replace(/^\/+|\/+$/g, '')));
  const change = (entry: EncodeEntry): EncodeEntry | undefined => {
    if (targets.has(entry.path.replace(/\/+$/, ''))) return undefined;
    const { epoch } = build;
    const { mtime = 0n } = entry;
    return epoch !== undefined && mtime > epoch ? { ...entry, mtime: epoch } : entry;
  };
  return await containers.takeLayer(
    container,
    (archive) => build.deps.images.deps.content.ingest(archive, { signal }),
    change,
  );
}

export function imageRef(state: State): string {
  return `sha256:${digestOf(state)}`;
}

function specOf(
  build: BuildShared,
  wish: RunWish,
  image: string,
  mounts: readonly MountSpec[],
  secrets: readonly string[],
): ContainerSpec {
  const { request } = build;
  const mode =
    wish.network === '' || wish.network === 'default' ? request.networkMode : wish.network;
  const networkMode = mode === '' || mode === 'default' ? build.deps.defaultNetwork : mode;
  const { config } = wish.state.spec;
  return {
    name: undefined,
    platform: undefined,
    networking: networkMode.startsWith('container:')
      ? {}
      : { [networkMode]: { ...PLAIN_WISH, network: networkMode } },
    config: {
      ...PLAIN_CONFIG,
      image,
      cmd: wish.argv,
      // What the image has is not run in a build.
      entrypoint: [''],
      env: [...wish.env, ...secrets],
      user: config.user,
      workingDir: config.workingDir === '' ? '/' : config.workingDir,
      healthcheck: {
        test: ['NONE'],
        interval: 0,
        timeout: 0,
        retries: 0,
        startPeriod: 0,
        startInterval: 0,
      },
      labels: { [BUILD_LABEL]: build.id },
    },
    host: {
      ...PLAIN_HOST,
      ...request.host,
      networkMode,
      extraHosts: request.extraHosts,
      mounts,
      privileged: wish.privileged,
      logConfig: { type: 'none', config: {} },
    },
  };
}

async function execute(build: BuildShared, wish: RunWish, container: string): Promise<number> {
  const { containers } = build.deps;
  const { signal } = build;
  const streams = { stdin: false, stdout: true, stderr: true, logs: false, stream: true };
  const session = await containers.attach(container, { ...streams, detachKeys: '' }, signal);
  const { answer } = await containers.wait(container, 'next-exit', signal);
  answer.catch(() => {}); // a start that fails has its own reason
  const abort = (): void => {
    containers.kill(container, 'KILL').catch(() => {}); // it has ended by itself
  };
  try {
    await containers.start(container, { detachKeys: '' });
  } catch (error) {
    session.stream.destroy();
    throw failedStep(wish.place, error instanceof Error ? error.message : String(error), {});
  }
  signal.addEventListener('abort', abort, { once: true });
  try {
    const frames = new Frames();
    for await (const chunk of session.stream) {
      for (const { stream, data } of frames.add(chunk as Buffer)) {
        await build.tell({ kind: 'output', step: wish.step, stream, data });
      }
    }
    const { statusCode } = await answer;
    signal.throwIfAborted();
    return statusCode;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Output comes framed, cut anywhere. */
class Frames {
  #rest: Buffer = Buffer.alloc(0);

  *add(chunk: Buffer): Generator<{ readonly stream: 1 | 2; readonly data: Buffer }> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEADER_BYTES) {
      const size = this.#rest.readUInt32BE(4);
      if (this.#rest.length < HEADER_BYTES + size) return;
      const data = this.#rest.subarray(HEADER_BYTES, HEADER_BYTES + size);
      yield { stream: this.#rest[0] === 2 ? 2 : 1, data };
      this.#rest = this.#rest.subarray(HEADER_BYTES + size);
    }
  }
}

const PLAIN_MOUNT = {
  consistency: '',
  bindOptions: undefined,
  volumeOptions: undefined,
  tmpfsOptions: undefined,
  imageOptions: undefined,
} as const;

async function mountsOf(
  build: BuildShared,
  wish: RunWish,
  parts: AsyncDisposableStack,
): Promise<{ readonly mounts: readonly MountSpec[]; readonly env: readonly string[] }> {
  const mounts: MountSpec[] = [];
  const env: string[] = [];
  const folder = async (): Promise<string> => {
    const path = await mkdtemp(join(tmpdir(), 'coracle-build-'));
    parts.defer(() => rm(path, { recursive: true, force: true }));
    return path;
  };
  for (const [name, script] of wish.scripts) {
    const path = join(await folder(), 'script');
    await writeFile(path, script, { mode: SCRIPT_MODE });
    await chmod(path, SCRIPT_MODE);
    mounts.push(bind(path, `${SCRIPT_DIRECTORY}/${name}`, true));
  }
  for (const each of wish.mounts) {
    const { mount } = each;
    switch (mount.type) {
      case 'bind':
        mounts.push(bindMount(each));
        break;
      case 'cache':
        mounts.push(await cacheMount(build, mount, parts));
        break;
      case 'tmpfs':
        mounts.push({
          ...PLAIN_MOUNT,
          type: 'tmpfs',
          source: '',
          target: mount.target,
          readOnly: false,
          tmpfsOptions: { sizeBytes: Number(mount.size) || 0, mode: mount.mode ?? 0, options: [] },
        });
        break;
      case 'secret': {
        const secret = build.request.secrets.get(mount.id);
        if (secret === undefined) {
          if (!mount.required) break;
          throw failedStep(wish.place, `secret ${mount.id}: not found`, {});
        }
        if (mount.env !== '') {
          env.push(`${mount.env}=${Buffer.from(secret).toString('utf8')}`);
          break;
        }
        const path = join(await folder(), 'secret');
        await writeFile(path, secret, { mode: 0o600 });
        await chmod(path, mount.mode ?? SECRET_MODE);
        await chown(path, mount.uid, mount.gid);
        mounts.push(bind(path, mount.target, true));
        break;
      }
      case 'ssh':
        if (!mount.required) break;
        throw new EngineError(
          'not_implemented',
          'RUN --mount=type=ssh: the classic build API has no way to the client’s ssh agent',
        );
      default:
        throw mount.type satisfies never;
    }
  }
  return { mounts, env };
}

export const SCRIPTS = SCRIPT_DIRECTORY;

function bind(source: string, target: string, readOnly: boolean): MountSpec {
  return { ...PLAIN_MOUNT, type: 'bind', source, target, readOnly };
}

function bindMount({ mount, from }: ResolvedMount): MountSpec {
  const target = mount.target;
  if (from?.kind === 'image') {
    const subpath = mount.source.replace(/^\/+/, '');
    const imageOptions = { subpath };
    return {
      ...PLAIN_MOUNT,
      type: 'image',
      source: from.ref,
      target,
      readOnly: true,
      imageOptions,
    };
  }
  return bind(from?.path ?? '', target, mount.readOnly);
}

/** Kept between builds by its id; `locked` waits for the other, `private` gets one of its own. */
async function cacheMount(
  build: BuildShared,
  mount: RunMount,
  parts: AsyncDisposableStack,
): Promise<MountSpec> {
  const { uid, gid, mode = CACHE_MODE } = mount;
  const base = createHash('sha256').update(`${mount.id}\0${uid}\0${gid}`).digest('hex');
  const { cacheMounts } = build.deps;
  let name = base;
  if (mount.sharing === 'locked') parts.use(await cacheMounts.lock(base, build.signal));
  else if (mount.sharing === 'private') {
    for (let at = 1; cacheMounts.inUse(name); at += 1) name = `${base}-${at}`;
  }
  parts.use(cacheMounts.use(name));
  const path = join(cacheMounts.folder, name);
  const made = await mkdir(path, { recursive: true });
  if (made !== undefined) {
    await chmod(path, mode);
    await chown(path, uid, gid);
  }
  return bind(path, mount.target, mount.readOnly);
}
