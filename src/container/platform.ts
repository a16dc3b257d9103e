// Whether an image is of the platform that is asked for, or else of this machine.
import { EngineError } from '#base/error.ts';
import {
  checkPlatformOf,
  fitsPlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
} from '#image/platform.ts';
import type { Image } from './port.ts';
import type { ContainerSpec } from './spec.ts';

/** Warnings; throws not_found if another platform is asked for, so that clients pull that one. */
export function checkPlatform(
  spec: Pick<ContainerSpec, 'platform'>,
  image: Pick<Image, 'name' | 'platform'>,
): readonly string[] {
  const is = parsePlatform(image.platform);
  const host = hostPlatform();
  if (spec.platform !== undefined) {
    const wanted = parsePlatform(spec.platform);
    if (wanted === undefined) {
      const text = `invalid platform: ${spec.platform.slice(0, 100)}`;
      throw new EngineError('invalid_argument', text);
    }
    if (is !== undefined) checkPlatformOf(image.name, is, wanted);
    return [];
  }
  if (is === undefined || fitsPlatform(host, is)) return [];
  // The kernel of the one runs programs of the other.
  if (host.architecture === 'amd64' && is.os === 'linux' && is.architecture === '386') return [];
  return [
    `The requested image's platform (${formatPlatform(is)}) does not match the detected host ` +
      `platform (${formatPlatform(host)}) and no specific platform was requested`,
  ];
}
