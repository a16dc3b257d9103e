// Mounts whose source is no plain path of the host: one part of a volume, owners shifted by the
// user namespace, a view of an image, a directory under a top that is thrown away. The monitor
// makes each before there is a process, while it still is root of the host, under a name that a
// later bind takes.
import { posix } from 'node:path';
import { BIND, type Op } from '#kernel/native/op.ts';
import type { Box, BoxMount, BoxUnion } from './box.ts';

type Bind = Extract<BoxMount, { kind: 'bind' }>;

/** The name of the source of a bind: where it could be found, if links were none. */
export function bindSource({ source, below = '' }: Bind): string {
  return below === '' ? source : posix.join(source, below);
}

/** Two containers do not share one, so the place in the container is enough to name it. */
export function unionSource({ target }: BoxUnion): string {
  return `union:${target}`;
}

export type HostSources = {
  readonly ops: readonly Op[];
  /** Names that no process has to open itself. */
  readonly names: readonly string[];
};

/** joined: the kernel takes all layers of a union in one option. */
export function hostSources(mounts: Box['mounts'], joined: boolean): HostSources {
  const ops = mounts.flatMap((mount): Op[] => {
    if (mount.kind === 'bind') return belowOps(mount);
    if (mount.kind === 'tmpfs') return [];
    return [
      {
        op: 'source_overlay',
        name: unionSource(mount),
        lower: mount.lower,
        upper: mount.top?.upper ?? '',
        work: mount.top?.work ?? '',
        below: mount.below,
        joined: joined ? 1 : 0,
      },
    ];
  });
  const names = ops.flatMap((op) => ('name' in op && op.op !== 'hostname' ? [op.name] : []));
  return { ops, names };
}

function belowOps(mount: Bind): Op[] {
  const { below = '', idmap } = mount;
  if (below === '' && idmap === undefined) return [];
  const shift = idmap === undefined ? 0 : idmap === 'yes' ? BIND.IDMAP : BIND.IDMAP_TRY;
  const flags = shift | (mount.recursive ? BIND.RECURSIVE : 0);
  return [{ op: 'source_below', path: mount.source, below, name: bindSource(mount), flags }];
}

/** What goes to the user that the program runs as. */
export function chownOps(mounts: Box['mounts']): Op[] {
  return mounts.flatMap((mount): Op[] =>
    mount.kind !== 'tmpfs' && mount.chown === true
      ? [{ op: 'chown_tree', path: mount.target }]
      : [],
  );
}
