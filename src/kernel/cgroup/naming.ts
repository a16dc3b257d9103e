// What cgroups are called. cgroupfs: a path is what it says. systemd: as that calls its units
// (systemd.slice(5), systemd.unit(5)): the name of a slice spells the way to it, "a-b.slice" is
// inside "a.slice", and a container is a scope. These are names alone: nobody is asked over D-Bus.
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import { isFullId } from '#base/id.ts';
import { type CgroupHost, hierarchyOf } from './host.ts';

export const CGROUP_DRIVERS = ['cgroupfs', 'systemd'] as const;
export type CgroupDriver = (typeof CGROUP_DRIVERS)[number];

export type CgroupNaming = {
  /** The name of a container's cgroup, and back; undefined when it is another cgroup. */
  readonly container: (id: string) => string;
  readonly idOf: (name: string) => string | undefined;
  /** The cgroup that a --cgroup-parent means, and whether it may be asked for. */
  readonly parent: (text: string) => string;
  readonly check: (parent: string) => void;
  /** The cgroup of a slice below the cgroup of all containers, and back. */
  readonly slice: (root: string, path: string) => string;
  readonly sliceOf: (root: string, cgroup: string) => string | undefined;
};

/** `base`: the cgroup that the root slice "-.slice" stands for; see delegatedUnit(). */
export function namingOf(driver: CgroupDriver, base = '/'): CgroupNaming {
  return driver === 'systemd' ? systemd(base) : CGROUPFS;
}

const CGROUPFS: CgroupNaming = {
  container: (id) => id,
  idOf: (name) => (isFullId(name) ? name : undefined),
  parent: (text) => text,
  check: () => {},
  slice: (root, path) => posix.join(root, path),
  sliceOf: (root, cgroup) => {
    const above = root === '/' ? '/' : `${root}/`;
    return cgroup.startsWith(above) ? cgroup.slice(above.length) : undefined;
  },
};

const SLICE = '.slice';
const SCOPE = '.scope';
/** A Docker on the same host has docker-ID.scope. */
const PREFIX = 'coracle-';
const ROOT_SLICE = '-';

function systemd(base: string): CgroupNaming {
  return {
    container: (id) => `${PREFIX}${id}${SCOPE}`,
    idOf: (name) => {
      const id = name.slice(PREFIX.length, -SCOPE.length);
      return name === `${PREFIX}${id}${SCOPE}` && isFullId(id) ? id : undefined;
    },
    // One that was made under the other driver keeps its path.
    parent: (text) => pathOfSlice(base, text) ?? text,
    check: (parent) => {
      if (pathOfSlice(base, parent) !== undefined) return;
      const text = 'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"';
      throw new EngineError('invalid_argument', text);
    },
    slice: pathOfOurs,
    sliceOf: (root, cgroup) => {
      const name = posix.basename(cgroup, SLICE);
      const prefix = prefixOf(root);
      if (!cgroup.endsWith(SLICE) || !name.startsWith(prefix)) return undefined;
      const names = name.slice(prefix.length).split('-').map(unescapeName);
      const path = names.join('/');
      return pathOfOurs(root, path) === cgroup ? path : undefined;
    },
  };
}

/** A slice inside another begins with its name; inside the root slice there is none. */
function prefixOf(root: string): string {
  return root.endsWith(SLICE) ? `${posix.basename(root).slice(0, -SLICE.length)}-` : '';
}

function pathOfOurs(root: string, path: string): string {
  const names = path.split('/').map(escapeName);
  const prefix = prefixOf(root);
  const levels = names.map((_, at) => `${prefix}${names.slice(0, at + 1).join('-')}${SLICE}`);
  return posix.join(root, ...levels);
}

/** "a-b.slice" → "/a.slice/a-b.slice"; undefined where it is no name of a slice. */
function pathOfSlice(base: string, text: string): string | undefined {
  const name = text.slice(0, -SLICE.length);
  if (!text.endsWith(SLICE) || name === '' || text.includes('/')) return undefined;
  if (name === ROOT_SLICE) return base;
  const names = name.split('-');
  if (names.includes('')) return undefined;
  return posix.join(base, ...names.map((_, at) => `${names.slice(0, at + 1).join('-')}${SLICE}`));
}

/** "-" stands between levels, so one in a name is written as systemd-escape(1) does. */
function escapeName(name: string): string {
  return name.replaceAll('-', '\\x2d');
}

function unescapeName(name: string): string {
  return name.replaceAll('\\x2d', '-');
}

/**
 * Where systemd is the first process, every cgroup is its own but those below a unit with
 * Delegate=yes (CGROUP_DELEGATION in systemd's documentation). Of the unit that this process is in,
 * the cgroup; "/" when it is in none, as one that was started by hand. On cgroup v2 only where the
 * unit has DelegateSubgroup=, so that we are below it: one that hands controllers down holds no
 * processes itself, and systemd could not start the daemon in it again beside a container.
 */
export function delegatedUnit(host: CgroupHost): string {
  const v2 = host.version === 2;
  const own = (v2 ? host.unified : hierarchyOf(host, 'name=systemd'))?.own ?? '/';
  const unit = v2 ? /^\/.*\.service(?=\/)/ : /^\/.*\.service(?=\/|$)/;
  return unit.exec(own)?.[0] ?? '/';
}
