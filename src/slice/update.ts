// Other limits for a slice, and with them for what is inside it: all or nothing. The intent is
// written down first, so that a crash in the middle is completed by the next daemon.
import { Undo } from '#base/undo.ts';
import { hierarchyOf } from '#kernel/cgroup/host.ts';
import type { CgroupRequest } from '#kernel/cgroup/cgroup.ts';
import type { Resources } from '#kernel/cgroup/resources.ts';
import { bindContainer, bindSlice, checkBelow, type Level, unionOf } from './inherit.ts';
import { lineageOf } from './path.ts';
import type { HeldMember } from './port.ts';
import type { SliceDeps } from './slices.ts';

type Parts<Wish, Change> = SliceDeps<Wish, Change> & {
  readonly request: (path: string, resources: Resources) => CgroupRequest;
};

/** A cgroup whose limits follow from the slices around it. */
type Node = {
  readonly what: string;
  readonly before: Resources;
  readonly after: Resources;
  readonly change: (before: Resources, after: Resources) => Promise<void>;
};

export async function changeSlice<Wish, Change>(
  parts: Parts<Wish, Change>,
  path: string,
  wish: Wish,
): Promise<readonly string[]> {
  const { store, wishes, members, report } = parts;
  const { pending: _pending, ...record } = store.get(path);
  const { resources, warnings } = wishes.limits(wish, 'refuse');
  const inside = [path, ...store.below(path).map((each) => each.path)];
  using held = await members.hold(new Set(inside));
  const levels = levelsOf(parts, path, resources);
  const more = checkAll(parts, path, inside, held.members, levels);
  const nodes = nodesOf(parts, path, inside, held.members, levels);
  await using undo = new Undo(report);
  await store.put({ ...record, pending: wish });
  undo.add(`keep the limits of slice ${path}`, () => store.put(record));
  await applyAll(parts, nodes, undo);
  await store.put({ ...record, wish });
  undo.commit();
  held[Symbol.dispose](); // whoever is waited for now may wait for one of these
  await applyToNew(parts, new Set(inside), held.members, levels);
  return [...warnings, ...more];
}

/**
 * A container that was made since the others were held has started with the limits of before, if it
 * has started; from now on they start with those of now.
 */
async function applyToNew<Wish, Change>(
  { host, members, report }: Parts<Wish, Change>,
  inside: ReadonlySet<string>,
  known: readonly HeldMember[],
  { after }: Levels,
): Promise<void> {
  using held = await members.hold(inside, new Set(known.map(({ id }) => id)));
  for (const member of held.members.filter(({ running }) => running)) {
    try {
      await member.change(bindContainer(host, after(member.slice), member.own));
    } catch (error) {
      report(`give container ${member.name} the new limits of its slice`, error);
    }
  }
}

type Levels = {
  /** A slice and those above it, from the top down, as they are and as they will be. */
  readonly before: (slice: string) => readonly Level[];
  readonly after: (slice: string) => readonly Level[];
};

function levelsOf<Wish, Change>(
  { store, wishes }: Parts<Wish, Change>,
  path: string,
  resources: Resources,
): Levels {
  const own = (each: string): Resources => wishes.limits(store.get(each).wish, 'skip').resources;
  return {
    before: (slice) => lineageOf(slice).map((each) => ({ path: each, own: own(each) })),
    after: (slice) =>
      lineageOf(slice).map((each) => ({ path: each, own: each === path ? resources : own(each) })),
  };
}

/** The slice among those above it, and all that is inside it under its new limits. */
function checkAll<Wish, Change>(
  { host }: Parts<Wish, Change>,
  path: string,
  inside: readonly string[],
  members: readonly HeldMember[],
  { after }: Levels,
): readonly string[] {
  const warnings = inside.flatMap((each) => {
    const levels = after(each);
    return checkBelow(host, `slice ${each}`, levels.slice(0, -1), levels.at(-1)?.own ?? {});
  });
  for (const member of members) {
    const what = `container ${member.name}`;
    warnings.push(...checkBelow(host, what, after(member.slice), member.own));
  }
  return warnings.filter((text) => text.includes(`slice ${path} `));
}

/** From the top down. */
function nodesOf<Wish, Change>(
  { host, cgroups, request }: Parts<Wish, Change>,
  path: string,
  inside: readonly string[],
  members: readonly HeldMember[],
  levels: Levels,
): readonly Node[] {
  const bound = (chain: readonly Level[]): Resources =>
    bindSlice(host, chain.slice(0, -1), chain.at(-1)?.own ?? {});
  const slices = inside.map(
    (each): Node => ({
      what: `slice ${each}`,
      before: bound(levels.before(each)),
      after: bound(levels.after(each)),
      change: (before, after) => cgroups.change(request(each, before), request(each, after)),
    }),
  );
  const running = members.filter((member) => member.running);
  const containers = running.map(
    (member): Node => ({
      what: `container ${member.name} in slice ${path}`,
      before: bindContainer(host, levels.before(member.slice), member.own),
      after: bindContainer(host, levels.after(member.slice), member.own),
      change: (_before, after) => member.change(after),
    }),
  );
  return [...slices, ...containers].filter(({ before, after }) => !same(before, after));
}

function same(a: Resources, b: Resources): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(resources: Resources): object {
  return Object.fromEntries(Object.entries(resources).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * A cpuset of version 1 must at every moment hold those below it: first all grow, from the top
 * down, to what they have and will have; then they get what they will have, from the bottom up.
 */
async function applyAll<Wish, Change>(
  { host }: Parts<Wish, Change>,
  nodes: readonly Node[],
  undo: Undo,
): Promise<void> {
  const grows = hierarchyOf(host, 'cpuset') !== undefined;
  const between = ({ before, after }: Node): Resources => ({
    ...without(before),
    ...defined('cpusetCpus', unionOf(before.cpusetCpus, after.cpusetCpus)),
    ...defined('cpusetMems', unionOf(before.cpusetMems, after.cpusetMems)),
  });
  const apply = async (node: Node, before: Resources, after: Resources): Promise<void> => {
    if (same(before, after)) return;
    await node.change(before, after);
    undo.add(`take back the limits of ${node.what}`, () => node.change(after, before));
  };
  if (grows) for (const node of nodes) await apply(node, node.before, between(node));
  for (const node of nodes.toReversed()) {
    await apply(node, grows ? between(node) : node.before, node.after);
  }
}

function without({ cpusetCpus: _cpus, cpusetMems: _mems, ...rest }: Resources): Resources {
  return rest;
}

function defined(key: 'cpusetCpus' | 'cpusetMems', value: string | undefined): Resources {
  return value === undefined ? {} : { [key]: value };
}
