// `docker push`: the layers that the registry does not have yet, then the config, then the
// manifest, for one tag or for all that the repository has here. Progress is told in Docker's own
// words.
import type { Digest } from '#base/digest.ts';
import { EngineError, isEngineError } from '#base/error.ts';
import { collect } from './collect.ts';
import { CONFIG_BYTES_MAX } from './config.ts';
import type { ImageDeps } from './deps.ts';
import { fitsPlatform, formatPlatform, type Platform } from './platform.ts';
import { findThere, pushLayers } from './push-layer.ts';
import { type AskRemote, manifestToPush, planPush, type PushManifest } from './push-manifest.ts';
import { blobsOf, type ImageId, type ImageRecord } from './record.ts';
import {
  type Reference,
  familiarName,
  familiarReference,
  isTag,
  parseReference,
  repositoryOf,
} from '#base/reference.ts';
import type { RegistryAuth, Repository } from './registry/registry.ts';

/** One object of the progress stream; api/ writes it with Docker's field names. */
export type PushProgress = {
  readonly status?: string;
  readonly id?: string;
  readonly detail?: { readonly current?: number; readonly total?: number };
  readonly aux?: { readonly Tag: string; readonly Digest: Digest; readonly Size: number };
};

export type PushOptions = {
  readonly auth: RegistryAuth | undefined;
  /** Only an image for this platform is wanted; here an image is for one. */
  readonly platform?: Platform;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PushProgress) => void;
};

/** One image on its way to one tag. */
export type PushTarget = {
  readonly image: ImageRecord;
  readonly reference: Reference & { readonly tag: string };
  /** Keeps a blob from being collected until the push has ended. */
  readonly hold: (digest: Digest) => void;
};

/** Without a tag, in the name or beside it, every one that the repository has here. */
export async function pushImage(
  deps: ImageDeps,
  name: string,
  tag: string,
  options: PushOptions,
): Promise<void> {
  const wanted = parseWanted(name, tag);
  const tell = options.onProgress ?? (() => {});
  // Before the first word: a blocked registry still is a status.
  const repository = deps.registries.repository(wanted, 'push', options.auth);
  tell({ status: `The push refers to repository [${repositoryOf(wanted)}]` });
  for (const [reference, id] of chosenTags(deps, wanted)) {
    try {
      await pushOne(deps, repository, reference, id, options);
    } catch (error) {
      throw refusalAlone(error);
    }
  }
  publishPush(deps, wanted);
}

/** dockerd tells "no basic auth credentials" without the request that was not made. */
function refusalAlone(error: unknown): unknown {
  if (!isEngineError(error, 'unauthorized')) return error;
  const text = error.message.replace(/^[A-Z][a-z]+ "[^"]*": /, '');
  return new EngineError(error.code, text, { cause: error, facts: error.facts });
}

function parseWanted(name: string, tag: string): Reference {
  const reference = parseReference(name);
  if (reference.digest !== undefined) {
    throw new EngineError('invalid_argument', 'cannot push a digest reference');
  }
  if (tag === '') return reference;
  if (isTag(tag)) return { ...reference, tag };
  throw new EngineError('invalid_argument', 'invalid tag format');
}

function chosenTags(
  deps: ImageDeps,
  wanted: Reference,
): readonly (readonly [PushTarget['reference'], ImageId])[] {
  const { tag } = wanted;
  const found = deps.store.list().flatMap(({ id }) =>
    deps.store.references(id).flatMap((each) => {
      if (each.tag === undefined || repositoryOf(each) !== repositoryOf(wanted)) return [];
      return [[{ ...each, tag: each.tag }, id] as const];
    }),
  );
  if (found.length === 0) {
    const text = `An image does not exist locally with the tag: ${familiarName(wanted)}`;
    throw new EngineError('not_found', text);
  }
  const chosen = found.filter(([each]) => tag === undefined || each.tag === tag);
  if (chosen.length === 0) {
    throw new EngineError('not_found', `tag does not exist: ${familiarReference(wanted)}`);
  }
  return chosen.sort(([a], [b]) => (a.tag < b.tag ? -1 : 1));
}

async function pushOne(
  deps: ImageDeps,
  repository: Repository,
  reference: PushTarget['reference'],
  id: ImageId,
  options: PushOptions,
): Promise<void> {
  const image = deps.store.get(id);
  if (image === undefined) throw new EngineError('not_found', `No such image: ${id}`);
  checkPlatform(image, reference, options.platform);
  const blobs = new Set<Digest>();
  try {
    // What is being pushed stays, even if its image is removed meanwhile.
    using leases = new DisposableStack();
    const hold = (digest: Digest): void => {
      blobs.add(digest);
      leases.use(deps.leases.hold([digest]));
    };
    for (const digest of blobsOf(image)) hold(digest);
    await sendImage(deps, repository, { image, reference, hold }, options);
  } finally {
    await collect(deps, { chains: image.chains, blobs: [...blobs] });
  }
}

function checkPlatform(image: ImageRecord, reference: Reference, wanted?: Platform): void {
  if (wanted === undefined || fitsPlatform(wanted, image)) return;
  throw new EngineError(
    'not_found',
    `image with reference ${familiarReference(reference)} was found ` +
      `but does not provide the specified platform (${formatPlatform(wanted)})`,
  );
}

async function sendImage(
  deps: ImageDeps,
  repository: Repository,
  target: PushTarget,
  options: PushOptions,
): Promise<void> {
  const { image, reference } = target;
  const { signal } = options;
  const known = await askFirst(repository, image.id, signal);
  const ask: AskRemote = (layer, sources) => findThere(repository, layer, sources, signal);
  const { kept, layers, there } = await planPush(deps, target, ask);
  // A kept manifest says which layers they are, even plain ones; else they are compressed first.
  const compress = kept === undefined;
  const sent = await pushLayers(deps, repository, { ...target, layers, there, compress }, options);
  const manifest = await manifestToPush(deps, image, { kept, layers: sent });
  if (!known) await pushConfig(deps, repository, manifest, signal);
  const { bytes, mediaType } = manifest;
  const digest = await repository.putManifest(reference.tag, bytes, mediaType, { signal });
  const { tag } = reference;
  const tell = options.onProgress ?? (() => {});
  tell({ status: `${tag}: digest: ${digest} size: ${bytes.length}` });
  tell({ detail: {}, aux: { Tag: tag, Digest: digest, Size: bytes.length } });
  if (deps.store.has(image.id))
    await deps.store.setReference({ ...reference, tag: undefined, digest }, image.id);
}

/** Nothing is told of layers before the registry has answered at all, as dockerd has it. */
async function askFirst(
  repository: Repository,
  config: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await repository.hasBlob(config, { signal });
  } catch (error) {
    // It has answered; the layers will say what it wants.
    if (isEngineError(error, 'unauthorized')) return false;
    throw error;
  }
}

async function pushConfig(
  deps: ImageDeps,
  repository: Repository,
  { config }: PushManifest,
  signal: AbortSignal,
): Promise<void> {
  if (await repository.hasBlob(config.digest, { signal })) return;
  if (config.size > CONFIG_BYTES_MAX) throw new EngineError('limit_exceeded', 'config too large');
  await repository.upload(config, deps.content.path(config.digest), { signal });
}

/** As dockerd tells it: by the name, not by the ID. */
function publishPush(deps: ImageDeps, wanted: Reference): void {
  const id = familiarReference(wanted);
  const image = deps.store.find(wanted);
  const labels = image === undefined ? {} : (deps.store.get(image)?.config.labels ?? {});
  const attributes = { ...labels, name: familiarName(wanted) };
  deps.publisher.publish({ type: 'image', action: 'push', actor: { id, attributes } });
}
