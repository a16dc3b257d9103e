// -v, --mount, --tmpfs and the image's VOLUMEs → a list of mounts to be. Pure, but for the question
// whether a source exists, which is an argument.
import { EngineError } from '#base/error.ts';
import { parseBind } from './bind-text.ts';
import { parseMount } from './mount-config.ts';
import { checkTarget, invalid, type MountWish, PLAIN } from './mount-wish.ts';
import type { HostConfig } from './spec.ts';
import { parseTmpfs } from './tmpfs-text.ts';

export const MOUNTS_MAX = 1024;

/**
 * All mounts of a container, parents before children; the image's volumes yield to the user's and
 * to those that it has from other containers.
 */
export function planMounts(
  host: Pick<HostConfig, 'binds' | 'mounts' | 'tmpfs' | 'volumeDriver'>,
  imageVolumes: readonly string[],
  exists: (path: string) => boolean,
  inherited: readonly string[] = [],
): readonly MountWish[] {
  const wishes = new Map<string, MountWish>();
  const add = (wish: MountWish): void => {
    if (wishes.has(wish.target)) throw invalid(`Duplicate mount point: ${wish.target}`);
    wishes.set(wish.target, wish);
    if (wishes.size > MOUNTS_MAX) {
      throw new EngineError('limit_exceeded', `more than ${MOUNTS_MAX} mounts in one container`);
    }
  };
  for (const bind of host.binds) add(parseBind(bind, host.volumeDriver));
  for (const mount of host.mounts) add(parseMount(mount, exists));
  for (const [target, options] of Object.entries(host.tmpfs)) add(parseTmpfs(target, options));
  for (const volume of imageVolumes) {
    const target = checkTarget(volume);
    if (!wishes.has(target) && !inherited.includes(target)) {
      add({ ...PLAIN, type: 'volume', source: '', target, driver: host.volumeDriver });
    }
  }
  // The order given decides among equals.
  return [...wishes.values()].sort((a, b) => depthOf(a.target) - depthOf(b.target));
}

/** A mount over a parent would hide its children. */
export function depthOf(target: string): number {
  return target.split('/').filter((part) => part !== '').length;
}
