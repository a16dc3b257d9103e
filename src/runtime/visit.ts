// A look into the files of a container: how the C process gets there, and what it then may do
// (kernel/native/visit.ts). A running container is looked at in its own mount namespace; the root
// of a stopped one is mounted as a start would, with what is bound into it and nothing else, in a
// mount namespace that ends with the look.
import { existsSync } from 'node:fs';
import { CLONE } from '#kernel/namespace/namespace.ts';
import type { LaunchPlan, Op } from '#kernel/native/op.ts';
import { NativeVisit, type Visit } from '#kernel/native/visit.ts';
import type { Box, IdMapping } from './box.ts';
import type { HostFacts } from './facts.ts';
import { prepare } from './launch.ts';
import { cleanPath } from './mounts.ts';
import { overlayOp, takesLayers } from './plan.ts';

export type {
  FileStat,
  FoundFile,
  TreeEntry,
  TreeRecord,
  Visit,
  WalkWish,
} from '#kernel/native/visit.ts';
export type { TreeWriter } from '#kernel/native/tree.ts';

/** The root alone: volumes and binds are empty directories. */
export type VisitWish = { readonly alone: boolean };

export interface Visits {
  /** `pid` must be a process of the container for as long as this takes: ask after it. */
  running(pid: number, ids: readonly IdMapping[], wish: VisitWish): Promise<Visit>;
  /** While it is stopped, and must be kept so. */
  stopped(box: Box, wish: VisitWish): Promise<Visit>;
  /** A directory with, if there are any, the layers that it lies on, the top one first. */
  layer(path: string, lower: readonly string[]): Promise<Visit>;
  /** The layers of an image as one root, the top one first; only to be read. */
  image(lower: readonly string[]): Promise<Visit>;
  /** The same of an image that stands on another one, to be compared with it; `base` has layers. */
  imageOn(lower: readonly string[], base: readonly string[]): Promise<Visit>;
}

export function createVisits(nativePath: string, facts: HostFacts): Visits {
  return {
    running: (pid, ids, { alone }) => {
      const enter: Op = { op: 'tree_enter', pid, alone: alone ? 1 : 0 };
      return NativeVisit.open(nativePath, [enter, owner(ids), SETTLE]);
    },
    stopped: (box, wish) => {
      const { user } = box.namespaces;
      const ids = user.mode === 'map' ? user.uid : [];
      const ops = planVisit(prepare(box, facts).plan, box, wish, existsSync, owner(ids));
      return NativeVisit.open(nativePath, [...ops, SETTLE]);
    },
    image: (lower) => {
      const joined = takesLayers(facts) ? 0 : 1;
      const image: Op = { op: 'tree_image', lower: lower.map(binary), joined };
      return NativeVisit.open(nativePath, [image, SETTLE]);
    },
    imageOn: (lower, base) => {
      const joined = takesLayers(facts) ? 0 : 1;
      const image: Op = { op: 'tree_image', lower: lower.map(binary), joined };
      const below: Op = { op: 'tree_below', lower: base.map(binary), joined };
      return NativeVisit.open(nativePath, [image, below, SETTLE]);
    },
    layer: (path, lower) => {
      const joined = takesLayers(facts) ? 0 : 1;
      const [of = '', ...below] = [path, ...lower].map(binary);
      const layer: Op = { op: 'tree_layer', path: of, lower: below, joined };
      return NativeVisit.open(nativePath, [layer, SETTLE]);
    },
  };
}

/** Operations on trees take names as they are on disk, byte by byte. */
function binary(path: string): string {
  return Buffer.from(path).toString('latin1');
}

const SETTLE: Op = { op: 'tree_settle' };

/** New files belong to the container's root, whoever that is outside. */
function owner(ids: readonly IdMapping[]): Op {
  const root = ids.find(({ inside }) => inside === 0)?.outside ?? 0;
  return { op: 'tree_owner', uid: root, gid: root };
}

/** What a start does to make the root and what is bound into it; nothing of a process. */
export function planVisit(
  plan: LaunchPlan,
  box: Pick<Box, 'mounts' | 'files'>,
  { alone }: VisitWish,
  exists: (path: string) => boolean,
  ownerOfNew: Op,
): Op[] {
  const { hosts, hostname, resolvConf } = box.files;
  const bound = box.mounts.filter(({ kind }) => kind !== 'tmpfs').map(({ target }) => target);
  if (resolvConf !== undefined) bound.push('/etc/resolv.conf');
  if (hostname !== undefined) bound.push('/etc/hostname');
  if (hosts !== undefined) bound.push('/etc/hosts');
  const targets = new Set(alone ? [] : bound.map(cleanPath));
  // A start makes sources that are missing, or fails; there is nothing to see in them.
  const isThere = (path: string): boolean => !path.startsWith('/') || exists(path);
  const sources = plan.host.filter(
    (op) =>
      (op.op === 'source_below' && isThere(op.path)) ||
      (op.op === 'source_overlay' && [...op.lower, op.upper].every((each) => isThere(each || '/'))),
  );
  const named = new Set(
    plan.host.flatMap((op) =>
      op.op === 'source_below' || op.op === 'source_overlay' ? [op.name] : [],
    ),
  );
  const taken = new Set(sources.map((op) => ('name' in op ? op.name : '')));
  const isBound = (op: Op): boolean => {
    if (op.op !== 'bind' || !targets.has(op.target)) return false;
    return named.has(op.source) ? taken.has(op.source) : isThere(op.source);
  };
  const isOfRoot = ({ op }: Op): boolean =>
    op === 'propagation' || op === 'root_attach' || op === 'pivot_root' || op === 'root_readonly';
  return [
    ...plan.host.filter(({ op }) => op === 'userns' || op.startsWith('root_')),
    ...(alone ? [] : sources),
    { op: 'unshare', flags: CLONE.NEWNS },
    ownerOfNew,
    ...plan.init.filter((op) => isOfRoot(op) || isBound(op)),
  ];
}

/** Throws what the kernel says when it cannot; the mount is seen by nobody and ends at once. */
export async function canMountOverlay(
  nativePath: string,
  facts: HostFacts,
  root: { readonly lower: readonly string[]; readonly upper: string; readonly work: string },
): Promise<void> {
  const op = overlayOp({ kind: 'overlay', ...root }, false, takesLayers(facts));
  await using _visit = await NativeVisit.open(nativePath, [op]);
}
