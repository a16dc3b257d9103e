// `docker commit`: one more layer on an image, or none when nothing was written; its history tells
// who did it.
import { now } from '#base/clock.ts';
import { type Digest, sha256 } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { familiarReference, parseReference, withDefaultTag } from '#base/reference.ts';
import { addImage, type NewLayer } from './add.ts';
import { applyChanges } from './change.ts';
import { encodeImageSpec, type ImageConfig, type ImageSpec, LAYERS_MAX } from './config.ts';
import type { Ingest } from './content/content.ts';
import type { ImageDeps } from './deps.ts';
import { MEDIA } from './manifest.ts';
import type { ImageRecord } from './record.ts';
import { resolveImage } from './resolve.ts';
import { tagImage } from './tag.ts';

export type CommitOptions = {
  /** Id of the image that the container was made from. */
  readonly parent: string;
  readonly container: string;
  readonly containerConfig: ImageConfig;
  readonly config: ImageConfig;
  readonly changes: readonly string[];
  readonly author: string;
  readonly comment: string;
  readonly reference: string | undefined;
  readonly signal: AbortSignal;
  /** Gives the layer's plain archive to `take`; the container stands still until that resolves. */
  readonly layer: (
    take: (archive: AsyncIterable<Uint8Array>) => Promise<Ingest>,
  ) => Promise<Ingest>;
};

export type Committed = {
  readonly id: Digest;
  /** Familiar form of the name that it was given; "" = none. */
  readonly name: string;
};

/** The digest of an archive without entries: 1024 zeros. */
const EMPTY_ARCHIVE = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

export async function commitImage(deps: ImageDeps, options: CommitOptions): Promise<Committed> {
  const { container, containerConfig, signal } = options;
  const name = checkName(options.reference);
  const config = applyChanges(options.config, options.changes);
  const parent = resolveImage(deps, options.parent);
  if (parent.diffIds.length >= LAYERS_MAX) {
    throw new EngineError('limit_exceeded', `image ${parent.id} has ${LAYERS_MAX} layers already`, {
      facts: { limit: 'LAYERS_MAX', max: LAYERS_MAX },
    });
  }
  await using archive = await options.layer((stream) => deps.content.ingest(stream, { signal }));
  const isEmpty = archive.digest === EMPTY_ARCHIVE;
  const spec = { ...specOf(parent, options, isEmpty ? undefined : archive.digest), config };
  const layers = parent.layers.map(
    ({ diffId, digest, mediaType, size }): NewLayer => ({
      diffId,
      mediaType,
      archive: () => Promise.resolve(deps.content.stored(digest, size)),
    }),
  );
  if (!isEmpty) {
    layers.push({
      diffId: archive.digest,
      mediaType: MEDIA.ociLayer,
      archive: () => Promise.resolve(archive),
    });
  }
  const json = encodeImageSpec({ ...spec, container, containerConfig });
  const image = { spec, config: json, layers, parent: parent.id };
  using _lease = deps.leases.holdImage(sha256(json));
  const { id } = await addImage(deps, image, { signal });
  if (name !== '') await tagImage(deps, id, name);
  return { id, name };
}

function checkName(text: string | undefined): string {
  if (text === undefined || text === '') return '';
  const reference = parseReference(text);
  if (reference.digest === undefined) return familiarReference(withDefaultTag(reference));
  const why = 'refusing to create a tag with a digest reference';
  throw new EngineError('invalid_argument', why);
}

function specOf(
  parent: ImageRecord,
  { author, comment, containerConfig }: CommitOptions,
  diffId: Digest | undefined,
): Omit<ImageSpec, 'config'> {
  const created = now();
  const createdBy = (containerConfig.cmd ?? []).join(' ');
  const step = { created, createdBy, author, comment, emptyLayer: diffId === undefined };
  return {
    created,
    author,
    comment,
    dockerVersion: '',
    architecture: parent.architecture,
    variant: parent.variant,
    os: parent.os,
    osVersion: parent.osVersion,
    diffIds: diffId === undefined ? parent.diffIds : [...parent.diffIds, diffId],
    history: [...parent.history, step],
  };
}
