// The mounts of a container's record → those of the Box.
import { join } from 'node:path';
import type { Box, BoxMount, BoxUnion, Propagation } from '#runtime/box.ts';
import type { BoxFacts } from './make-box.ts';
import type { ContainerRecord, MountPoint } from './record.ts';

type Facts = Pick<BoxFacts, 'isFile' | 'layersOf' | 'directory'>;

export function boxMounts(record: ContainerRecord, facts: Facts): Box['mounts'] {
  const mapped = record.userns !== undefined;
  return record.mounts.map((mount, index): BoxMount => {
    if (mount.type === 'tmpfs') {
      return { kind: 'tmpfs', target: mount.destination, options: mount.options };
    }
    if (mount.image !== undefined) return viewOf(mount, facts.layersOf(mount.image.chain), facts);
    if (mount.throwaway) return unionOf(mount, throwawayTop(facts.directory, index));
    return bindOf(mount, mapped, facts.isFile);
  });
}

/** Where the changes of an `O` mount go; beside each other, as overlayfs wants them. */
export function throwawayTop(directory: string, index: number) {
  const top = join(directory, THROWAWAY, String(index));
  return { upper: join(top, 'upper'), work: join(top, 'work') };
}

export const THROWAWAY = 'throwaway';

function viewOf(mount: MountPoint, lower: readonly string[], { isFile }: Facts): BoxUnion {
  const below = mount.subpath ?? '';
  return {
    kind: 'union',
    target: mount.destination,
    lower,
    below,
    file: below !== '' && lower.some((layer) => isFile(join(layer, below))),
  };
}

function unionOf(mount: MountPoint, top: NonNullable<BoxUnion['top']>): BoxUnion {
  return {
    kind: 'union',
    target: mount.destination,
    lower: [mount.source],
    top,
    below: '',
    file: false,
    ...(mount.chown ? { chown: true } : {}),
  };
}

/**
 * A volume has the ids that the container sees, whatever its map is, so that containers with other
 * maps, or none, share it. A directory of the host is shown as it is unless somebody asks.
 */
function bindOf(
  mount: MountPoint,
  mapped: boolean,
  isFile: (path: string) => boolean,
): Extract<BoxMount, { kind: 'bind' }> {
  const below = mount.subpath ?? '';
  const shifted = mapped && (mount.type === 'volume' || mount.chown === true);
  const idmap = mount.idmap && mapped ? 'yes' : shifted ? 'try' : undefined;
  return {
    kind: 'bind',
    source: mount.source,
    target: mount.destination,
    file: isFile(join(mount.source, below)),
    readonly: !mount.rw,
    recursive: mount.recursive,
    recursiveReadonly: mount.recursiveReadonly,
    propagation: (mount.propagation === '' ? 'rprivate' : mount.propagation) as Propagation,
    ...(below === '' ? {} : { below }),
    ...(idmap === undefined ? {} : { idmap }),
    ...(mount.chown ? { chown: true } : {}),
  };
}
