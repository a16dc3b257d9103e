// `docker pull`: a tag or digest is resolved to a manifest, its layers come in parallel and are
// unpacked meanwhile, and only then the image and its names are there: absent or complete. What was
// downloaded by a pull that fails stays as partials, so that the next one goes on.
import { readFile } from 'node:fs/promises';
import type { Digest } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import {
  type Reference,
  familiarName,
  familiarReference,
  parseReference,
  withDefaultTag,
} from '#base/reference.ts';
import { type NewLayer, addImage } from '../add.ts';
import { borrow } from '../collect.ts';
import { type ChosenManifest, checkOs, chooseManifest } from '../choose.ts';
import { CONFIG_BYTES_MAX, type ImageSpec, parseImageSpec } from '../config.ts';
import { PARTIAL_AGE_MS_MAX } from '../content/partial.ts';
import type { ImageDeps } from '../deps.ts';
import type { OnProgress } from '../load.ts';
import { type Manifest, isForeign } from '../manifest.ts';
import { type Platform, hostPlatform } from '../platform.ts';
import type { ImageId } from '../record.ts';
import type { RegistryAuth, Repository } from '../registry/registry.ts';
import { isDiskFull } from './disk-full.ts';
import { keepManifest, manifestBlobs } from './manifest-blobs.ts';
import { LayerProgress } from './progress.ts';

/** Tags of one `pull --all-tags`. */
export const PULL_TAGS_MAX = 10_000;

export type PullOptions = {
  readonly signal: AbortSignal;
  readonly auth: RegistryAuth | undefined;
  /** The machine's own if it is not said. */
  readonly platform?: Platform;
  /** Every tag of the repository. */
  readonly all?: boolean;
  readonly onProgress?: OnProgress;
};

type Pull = PullOptions & {
  readonly reference: Reference;
  readonly repository: Repository;
  readonly tell: OnProgress;
};

export async function pullImage(
  deps: ImageDeps,
  text: string,
  options: PullOptions,
): Promise<readonly ImageId[]> {
  const named = parseReference(text);
  const wanted = options.all === true ? named : withDefaultTag(named);
  const tell = options.onProgress ?? (() => {});
  await deps.content.partials.removeOlder(PARTIAL_AGE_MS_MAX);
  const pulls = (await references(deps, wanted, options)).map((reference) => ({
    ...options,
    reference,
    repository: deps.registries.repository(reference, 'pull', options.auth),
    tell,
  }));
  const ids: ImageId[] = [];
  let isNewer = false;
  for (const pull of pulls) {
    options.signal.throwIfAborted();
    const { id, moved } = await pullOne(deps, pull);
    ids.push(id);
    isNewer ||= moved;
  }
  const what = isNewer ? 'Downloaded newer image' : 'Image is up to date';
  tell({ status: `Status: ${what} for ${familiarReference(wanted)}` });
  publishPull(deps, wanted);
  return ids;
}

async function references(
  deps: ImageDeps,
  wanted: Reference,
  { all, auth, signal }: PullOptions,
): Promise<readonly Reference[]> {
  if (all !== true) return [wanted];
  if (wanted.tag !== undefined || wanted.digest !== undefined) {
    throw new EngineError('invalid_argument', "tag can't be used with --all-tags/-a");
  }
  const tags = await deps.registries.repository(wanted, 'pull', auth).tags({ signal });
  if (tags.length <= PULL_TAGS_MAX) return tags.map((tag) => ({ ...wanted, tag }));
  throw new EngineError('limit_exceeded', `the repository has more than ${PULL_TAGS_MAX} tags`, {
    facts: { limit: 'PULL_TAGS_MAX', max: PULL_TAGS_MAX },
  });
}

/** `moved`: the name stands for another image than before. */
async function pullOne(
  deps: ImageDeps,
  pull: Pull,
): Promise<{ readonly id: ImageId; readonly moved: boolean }> {
  const { reference, repository, signal, tell } = pull;
  const current = await findCurrent(deps, pull);
  if (current !== undefined) {
    tellBegin(pull);
    tell({ status: `Digest: ${current.digest}` });
    return { id: current.id, moved: false };
  }
  const outermost = await repository.manifest({ signal });
  // Only now, so that what fails before is an answer and not a line of the stream.
  tellBegin(pull);
  const platform = pull.platform ?? hostPlatform();
  const chosen = await chooseManifest(outermost, platform, async ({ digest }) => {
    return (await repository.manifestBy(digest, { signal })).bytes;
  });
  refuseForeign(chosen.parsed);
  const id = chosen.parsed.config.digest;
  // Until it has its name nothing else holds the image.
  using _lease = deps.leases.holdImage(id);
  if (isComplete(deps, id)) await keepManifest(deps, id, chosen, signal);
  else await bringImage(deps, chosen, pull);
  tell({ status: `Digest: ${outermost.digest}` });
  const byDigest = { ...reference, tag: undefined, digest: outermost.digest };
  const byDigestBefore = await deps.store.setReference(byDigest, id);
  if (reference.digest !== undefined) return { id, moved: byDigestBefore !== id };
  return { id, moved: (await deps.store.setReference(reference, id)) !== id };
}

function tellBegin({ reference, tell }: Pull): void {
  const id = reference.digest ?? reference.tag;
  tell({ status: `Pulling from ${reference.path}`, ...(id === undefined ? {} : { id }) });
}

/** The image if the tag still is where it was: then one HEAD is all that is asked. */
async function findCurrent(
  deps: ImageDeps,
  { platform, reference, repository, signal }: Pull,
): Promise<{ readonly id: ImageId; readonly digest: Digest } | undefined> {
  const id = deps.store.find(reference);
  if (id === undefined || !isComplete(deps, id) || platform !== undefined) return undefined;
  if (reference.digest !== undefined) return undefined;
  const { digest } = await repository.head({ signal });
  const there = deps.store.find({ ...reference, tag: undefined, digest });
  return there === id ? { id, digest } : undefined;
}

function isComplete(deps: ImageDeps, id: ImageId): boolean {
  return deps.store.get(id)?.chains.every((chain) => deps.snapshots.has(chain)) ?? false;
}

function refuseForeign(manifest: Manifest): void {
  const layer = manifest.layers.find(isForeign);
  if (layer === undefined) return;
  throw new EngineError(
    'invalid_argument',
    `the image has a layer that its registry may not hand out (${layer.mediaType}): ` +
      'layers are never fetched from addresses that a manifest names',
  );
}

async function bringImage(deps: ImageDeps, chosen: ChosenManifest, pull: Pull): Promise<void> {
  const { config, layers } = chosen.parsed;
  const digests = [config, ...layers].map(({ digest }) => digest);
  let gone = false;
  try {
    await using _borrowed = borrow(deps, digests);
    using _hold = deps.downloads.hold(digests);
    await bringHeld(deps, chosen, pull);
    gone = true; // what is left of partials was made a blob by somebody else
  } catch (error) {
    // On a full disk the space is worth more than a retry that need not begin again.
    gone = isDiskFull(error);
    throw error;
  } finally {
    if (gone) for (const digest of digests) await deps.content.partials.remove(digest);
  }
}

async function bringHeld(deps: ImageDeps, chosen: ChosenManifest, pull: Pull): Promise<void> {
  const { signal, tell } = pull;
  const config = await fetchConfig(deps, chosen.parsed.config, pull);
  const progress = chosen.parsed.layers.map((layer) => new LayerProgress(tell, layer));
  const layers = newLayers(deps, config.spec, chosen.parsed, pull, progress);
  await using manifest = await manifestBlobs(deps, chosen, signal);
  await addImage(
    deps,
    { spec: config.spec, config: config.bytes, layers, manifest },
    { signal, onLayer: (index, event) => progress[index]?.unpacking(event) },
  );
}

async function fetchConfig(
  deps: ImageDeps,
  config: Manifest['config'],
  { repository, signal }: Pull,
): Promise<{ readonly spec: ImageSpec; readonly bytes: Buffer }> {
  if (config.size > CONFIG_BYTES_MAX) {
    throw new EngineError('limit_exceeded', 'image config exceeds CONFIG_BYTES_MAX', {
      facts: { limit: 'CONFIG_BYTES_MAX', max: CONFIG_BYTES_MAX },
    });
  }
  const { digest, size } = config;
  await using file = await deps.downloads.fetch({ digest, size }, repository, { signal });
  const bytes = await readFile(file.path);
  const spec = parseImageSpec(bytes);
  checkOs(spec);
  return { spec, bytes };
}

function newLayers(
  deps: ImageDeps,
  spec: ImageSpec,
  manifest: Manifest,
  { repository }: Pull,
  progress: readonly LayerProgress[],
): readonly NewLayer[] {
  return manifest.layers.map(({ digest, mediaType, size }, i) => ({
    // addImage() refuses an image whose numbers of layers disagree.
    diffId: spec.diffIds[i] ?? digest,
    mediaType,
    archive: async (signal, onGrown) => {
      const told = progress[i];
      told?.begin();
      const archive = await deps.downloads.fetch({ digest, size }, repository, {
        signal,
        onWaiting: () => told?.waiting(),
        onProgress: (current) => {
          told?.downloading(current);
          onGrown(deps.content.partials.path(digest), current, size);
        },
        onRetry: (seconds) => told?.retrying(seconds),
      });
      told?.downloaded();
      return archive;
    },
  }));
}

/** As dockerd tells it: by the name, not by the ID. */
function publishPull(deps: ImageDeps, reference: Reference): void {
  const id = deps.store.find(reference);
  const labels = id === undefined ? {} : (deps.store.get(id)?.config.labels ?? {});
  const attributes = { ...labels, name: familiarName(reference) };
  const actor = { id: familiarReference(reference), attributes };
  deps.publisher.publish({ type: 'image', action: 'pull', actor });
}
