// `docker import`: the tar of a root file system becomes an image of one layer.
import { now } from '#base/clock.ts';
import { sha256 } from '#base/digest.ts';
import { EngineError } from '#base/error.ts';
import { decompress } from '#tar/compression.ts';
import { addImage, type LayerEvent } from './add.ts';
import { applyChanges } from './change.ts';
import { EMPTY_CONFIG, type ImageSpec, encodeImageSpec } from './config.ts';
import { type ImageDeps, publish } from './deps.ts';
import type { OnProgress } from './load.ts';
import { MEDIA } from './manifest.ts';
import { type Platform, hostPlatform } from './platform.ts';
import type { ImageRecord } from './record.ts';
import { familiarReference, type Reference, parseReference } from '#base/reference.ts';

export type ImportOptions = {
  readonly signal: AbortSignal;
  /** Dockerfile instructions. */
  readonly changes?: readonly string[];
  /** The image's comment and the comment of its one history entry. */
  readonly message: string;
  readonly reference?: string;
  readonly platform?: Platform;
  readonly onProgress?: OnProgress;
};

export async function importImage(
  deps: ImageDeps,
  stream: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImageRecord> {
  const { message, signal } = options;
  const platform = options.platform ?? hostPlatform();
  const reference = parseWanted(options.reference);
  const changed = applyChanges(EMPTY_CONFIG, options.changes ?? []);
  if (platform.os !== 'linux') {
    throw new EngineError('invalid_argument', `operating system is not supported`);
  }
  // Kept plain: then its digest is the diffID, and nothing has to be read twice.
  await using archive = await deps.content.ingest(decompress(stream), { signal });
  const created = now();
  const spec: ImageSpec = {
    ...platform,
    config: changed,
    created,
    author: '',
    comment: message,
    dockerVersion: '',
    osVersion: '',
    diffIds: [archive.digest],
    history: [{ created, createdBy: '', author: '', comment: message, emptyLayer: false }],
  };
  const layer = {
    diffId: archive.digest,
    mediaType: MEDIA.ociLayer,
    archive: () => Promise.resolve(archive),
  };
  const onLayer = (_: number, event: LayerEvent): void => {
    if (event.kind !== 'unpacking') return;
    const { current, total } = event;
    options.onProgress?.({ status: 'Importing', detail: { current, total } });
  };
  const config = encodeImageSpec(spec);
  using _lease = deps.leases.holdImage(sha256(config));
  const { id } = await addImage(deps, { spec, config, layers: [layer] }, { signal, onLayer });
  if (reference !== undefined) {
    await deps.store.setReference(reference, id);
    publish(deps, 'tag', id, familiarReference(reference));
  }
  publish(deps, 'import', id);
  const record = deps.store.get(id);
  if (record === undefined) throw new EngineError('internal', `image ${id} was not stored`);
  return record;
}

function parseWanted(text: string | undefined): Reference | undefined {
  if (text === undefined || text === '') return undefined;
  const reference = parseReference(text);
  if (reference.digest === undefined) return reference;
  throw new EngineError('invalid_argument', 'cannot import digest reference');
}
