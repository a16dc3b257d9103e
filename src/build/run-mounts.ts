// RUN --mount: the mounts of its container. Secrets and scripts are files in memory that go with the
// step; caches stay, each known by its id.
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MountSpec } from '#container/spec.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import { AGENT_DEFAULT, type RunMount } from './run-mount.ts';
import type { BuildShared } from './shared.ts';
import { listenForStep } from './ssh-agent.ts';

const SECRET_MODE = 0o400;
const CACHE_MODE = 0o755;
const SCRIPT_MODE = 0o755;
/** A script may be long, and every `system df` sends it. */
const DESCRIPTION_LENGTH_MAX = 1000;
export const SCRIPT_DIRECTORY = '/dev/pipes';

/** A mount whose source is decided. */
export type ResolvedMount = {
  readonly mount: RunMount;
  /** bind: something of the context, or an image that is there. */
  readonly from:
    | { readonly kind: 'path'; readonly path: string }
    | { readonly kind: 'image'; readonly ref: string }
    | undefined;
};

export type RunMounts = {
  readonly mounts: readonly MountSpec[];
  /** Secrets that are variables. */
  readonly env: readonly string[];
  /** There is one in it. */
  readonly secret: boolean;
  /** Where the first ssh agent is. */
  readonly agent: string | undefined;
};

type Wish = {
  readonly mounts: readonly ResolvedMount[];
  readonly scripts: ReadonlyMap<string, string>;
  /** As `docker history` says it. */
  readonly argv: readonly string[];
  readonly place: Place;
};

export async function runMounts(
  build: BuildShared,
  wish: Wish,
  parts: AsyncDisposableStack,
): Promise<RunMounts> {
  await lockCaches(build, wish.mounts, parts);
  const mounts: MountSpec[] = [];
  const env: string[] = [];
  let hasSecret = false;
  let agent: string | undefined;
  for (const [name, script] of wish.scripts) {
    const path = await writeHidden(build, script, SCRIPT_MODE, parts);
    mounts.push(bind(path, `${SCRIPT_DIRECTORY}/${name}`, true));
  }
  for (const each of wish.mounts) {
    const { mount } = each;
    switch (mount.type) {
      case 'bind':
        mounts.push(bindMount(each));
        break;
      case 'cache':
        mounts.push(await cacheMount(build, mount, wish, parts));
        break;
      case 'tmpfs': {
        const tmpfsOptions = { sizeBytes: mount.size, mode: mount.mode ?? 0, options: [] };
        const { target } = mount;
        mounts.push({ ...PLAIN, type: 'tmpfs', source: '', target, readOnly: false, tmpfsOptions });
        break;
      }
      case 'secret': {
        const secret = secretOf(build, mount, wish.place);
        if (secret === undefined) break;
        hasSecret = true;
        if (mount.env !== '') env.push(`${mount.env}=${Buffer.from(secret).toString('utf8')}`);
        if (mount.env !== '' && !mount.targetSaid) break;
        const path = await writeHidden(build, secret, mount.mode ?? SECRET_MODE, parts);
        await chown(path, mount.uid, mount.gid);
        mounts.push(bind(path, mount.target, true));
        break;
      }
      case 'ssh': {
        if (!isGiven(build, mount, wish.place)) break;
        agent ??= mount.target;
        mounts.push(bind(await listenForStep(build, mount, parts), mount.target, true));
        break;
      }
      default:
        throw mount.type satisfies never;
    }
  }
  return { mounts, env, secret: hasSecret, agent };
}

const PLAIN = {
  consistency: '',
  bindOptions: undefined,
  volumeOptions: undefined,
  tmpfsOptions: undefined,
  imageOptions: undefined,
} as const;

function bind(source: string, target: string, readOnly: boolean): MountSpec {
  return { ...PLAIN, type: 'bind', source, target, readOnly };
}

function bindMount({ mount, from }: ResolvedMount): MountSpec {
  const { target } = mount;
  if (from?.kind !== 'image') return bind(from?.path ?? '', target, mount.readOnly);
  const imageOptions = { subpath: mount.source.replace(/^\/+/, '') };
  return { ...PLAIN, type: 'image', source: from.ref, target, readOnly: true, imageOptions };
}

/** A file that only root and this step reach. */
async function writeHidden(
  build: BuildShared,
  content: string | Uint8Array,
  mode: number,
  parts: AsyncDisposableStack,
): Promise<string> {
  const folder = await mkdtemp(join(build.memoryFolder, 'step-'));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'content');
  await writeFile(path, content, { mode: 0o600, flag: 'wx' });
  await chmod(path, mode);
  return path;
}

function secretOf(build: BuildShared, mount: RunMount, place: Place): Uint8Array | undefined {
  const secret = build.request.secrets.get(mount.id);
  if (secret === undefined && mount.required) {
    throw failure(place, `secret ${mount.id}: not found`, { code: 'not_found' });
  }
  return secret;
}

function isGiven(build: BuildShared, { id, required }: RunMount, place: Place): boolean {
  const given = build.request.agents.has(id);
  if (given || !required) return given;
  const how = `coracle build --ssh ${id}${id === AGENT_DEFAULT ? '' : '=SOCKET'}`;
  const text = `no ssh agent ${JSON.stringify(id)} was forwarded by the client, which line ${place.start} requires: give it with '${how}'`;
  throw failure(place, text, { code: 'not_found' });
}

function cacheName({ id, uid, gid }: RunMount): string {
  return createHash('sha256').update(`${id}\0${uid}\0${gid}`).digest('hex');
}

/** Always in the same order, and each once, so that no two builds wait for each other. */
async function lockCaches(
  build: BuildShared,
  mounts: readonly ResolvedMount[],
  parts: AsyncDisposableStack,
): Promise<void> {
  const locked = mounts.filter(({ mount }) => mount.type === 'cache' && mount.sharing === 'locked');
  const names = new Set(locked.map(({ mount }) => cacheName(mount)));
  for (const name of [...names].toSorted()) {
    parts.use(await build.deps.cacheMounts.lock(name, build.signal));
  }
}

/** `private` gets the first one that nobody else uses now. */
async function cacheMount(
  build: BuildShared,
  mount: RunMount,
  { argv }: Pick<Wish, 'argv'>,
  parts: AsyncDisposableStack,
): Promise<MountSpec> {
  const { uid, gid, mode = CACHE_MODE } = mount;
  const { cacheMounts } = build.deps;
  const base = cacheName(mount);
  let name = base;
  if (mount.sharing === 'private') {
    for (let at = 1; cacheMounts.inUse(name); at += 1) name = `${base}-${at}`;
  }
  parts.use(cacheMounts.use(name, describeCache(mount, argv)));
  const path = join(cacheMounts.folder, name);
  const made = await mkdir(path, { recursive: true });
  if (made !== undefined) {
    await chmod(path, mode);
    await chown(path, uid, gid);
  }
  return bind(path, mount.target, mount.readOnly);
}

/** BuildKit's words. */
function describeCache({ id, target }: RunMount, argv: readonly string[]): string {
  const said = id === target ? '' : ` with id ${JSON.stringify(id)}`;
  const text = `cached mount ${target} from exec ${argv.join(' ')}${said}`;
  return text.slice(0, DESCRIPTION_LENGTH_MAX);
}
