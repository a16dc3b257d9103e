// Names in a layer archive, made safe to use below the layer's root. Docker takes absolute names as
// relative to the root, and so do we; anything that climbs is refused, not repaired.
import { EngineError } from '#base/error.ts';

/** PATH_MAX without its NUL: no program in a container could name a longer one either. */
export const LAYER_PATH_BYTES_MAX = 4095;
/** NAME_MAX of every Linux file system that an overlay can stand on. */
export const LAYER_NAME_BYTES_MAX = 255;

/** The components below the root; [] is the root itself. */
export function splitLayerPath(path: string): string[] {
  if (path.includes('\0')) throw refuse(path, 'NUL in the name');
  if (path.length > LAYER_PATH_BYTES_MAX) {
    throw tooLong('LAYER_PATH_BYTES_MAX', LAYER_PATH_BYTES_MAX);
  }
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  for (const part of parts) {
    if (part === '..') throw refuse(path, 'it climbs out');
    if (part.length > LAYER_NAME_BYTES_MAX) {
      throw tooLong('LAYER_NAME_BYTES_MAX', LAYER_NAME_BYTES_MAX);
    }
  }
  return parts;
}

function refuse(path: string, why: string): EngineError {
  const shown = JSON.stringify(path.slice(0, 200));
  return new EngineError('corrupt', `invalid name in archive: ${shown} (${why})`);
}

function tooLong(limit: string, max: number): EngineError {
  return new EngineError('limit_exceeded', `name in archive exceeds ${limit} (${max})`, {
    facts: { limit, max },
  });
}

/** Where a hard link points, with Docker's words when it points outside. */
export function splitHardLink(path: string, target: string): string {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  if (target.includes('\0') || parts.length === 0 || parts.includes('..')) {
    const shown = `${JSON.stringify(path)} -> ${JSON.stringify(target)}`;
    throw new EngineError('corrupt', `invalid hardlink ${shown}`);
  }
  return splitLayerPath(target).join('/');
}
