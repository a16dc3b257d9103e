// The image that FROM or --from names: one that is here, or pulled.
import { isEngineError } from '#base/error.ts';
import { parseReference } from '#base/reference.ts';
import { fitsPlatform, formatPlatform, type Platform } from '#image/platform.ts';
import type { ImageRecord } from '#image/record.ts';
import { failure, type Place } from './dockerfile/fault.ts';
import type { BuildShared } from './shared.ts';

export type BaseWish = {
  readonly name: string;
  /** undefined: whichever is here; the machine's own is pulled. */
  readonly platform: Platform | undefined;
  /** Ask the registry though it is here. */
  readonly pull: boolean;
  readonly place: Place;
};

export async function baseImage(build: BuildShared, wish: BaseWish): Promise<ImageRecord> {
  const { name, place, platform, pull } = wish;
  const known = find(build, wish);
  const fits = known === undefined || platform === undefined || fitsPlatform(platform, known);
  if (known !== undefined && fits && !pull) return keep(build, known);
  const shown = platform === undefined ? '' : formatPlatform(platform);
  try {
    await build.once(`pull ${name} ${shown}`, () => pullImage(build, wish));
  } catch (error) {
    if (!isEngineError(error)) throw error;
    if (known !== undefined && !fits && isEngineError(error, 'not_found')) {
      const text = `image with reference ${name} was found but does not match the specified platform: wanted ${shown}, actual: ${formatPlatform(known)}`;
      throw failure(place, text, { code: 'not_found', cause: error });
    }
    throw failure(place, error.message, { code: error.code, cause: error, facts: error.facts });
  }
  const image = find(build, wish);
  if (image !== undefined) return keep(build, image);
  throw failure(place, `No such image: ${name}`, { code: 'not_found' });
}

function find(build: BuildShared, { name, place }: BaseWish): ImageRecord | undefined {
  try {
    return build.deps.images.resolve(name);
  } catch (error) {
    if (isEngineError(error, 'not_found')) return undefined;
    if (!isEngineError(error)) throw error;
    throw failure(place, error.message, { code: error.code, cause: error });
  }
}

/** Whoever removes it meanwhile takes nothing away that this build stands on. */
function keep(build: BuildShared, image: ImageRecord): ImageRecord {
  build.holdLayers(image.diffIds, image.layers);
  return image;
}

async function pullImage(build: BuildShared, { name, platform }: BaseWish): Promise<void> {
  const { deps, request, signal, tell } = build;
  await deps.images.pull(name, {
    signal,
    auth: request.auth(parseReference(name).domain),
    ...(platform === undefined ? {} : { platform }),
    onProgress: (progress) => {
      // Nobody waits for the line of a progress bar.
      Promise.resolve(tell({ kind: 'pull', progress })).catch(() => {});
    },
  });
}
