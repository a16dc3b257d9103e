// The names of slices: "cg1/cg2" is the slice cg2 inside the slice cg1. Pure.
import { EngineError } from '#base/error.ts';
import { isFullId } from '#base/id.ts';

/** Levels of slices; below the deepest one containers still have cgroups of their own. */
export const SLICE_DEPTH_MAX = 8;
/** Of a whole path: it is the name of a file too (NAME_MAX is 255). */
export const SLICE_PATH_LENGTH_MAX = 200;

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
/**
 * A cgroup's directory holds files of these names, of the kernel and of any controller
 * (cgroup-v2.rst, "Interface Files"): a directory of the same name cannot be made.
 */
const FILES = new Set(['tasks', 'notify_on_release', 'release_agent']);
const FILE_PREFIX =
  /^(cgroup|blkio|cpu|cpuacct|cpuset|devices|dmem|freezer|hugetlb|io|irq|memory|misc|net_cls|net_prio|perf_event|pids|rdma)\./;

/** The path without slashes at its ends; throws `invalid_argument` where it is none. */
export function parseSlicePath(text: string): string {
  const path = text.replace(/^\/|\/$/g, '');
  const refuse = (why: string): EngineError =>
    new EngineError('invalid_argument', `invalid slice name "${text.slice(0, 250)}": ${why}`);
  if (path === '') throw refuse('it is empty');
  if (path.length > SLICE_PATH_LENGTH_MAX) {
    throw refuse(`it has more than ${SLICE_PATH_LENGTH_MAX} characters`);
  }
  const names = path.split('/');
  if (names.length > SLICE_DEPTH_MAX) throw refuse(`it has more than ${SLICE_DEPTH_MAX} levels`);
  for (const name of names) {
    if (!NAME.test(name)) {
      throw refuse(
        'each level begins with a letter or digit, and has only [a-zA-Z0-9_.-] behind it',
      );
    }
    if (FILES.has(name) || FILE_PREFIX.test(name)) {
      throw refuse(`"${name}" is how the kernel names a file of a cgroup`);
    }
    if (isFullId(name)) throw refuse(`"${name}" is how the cgroup of a container is named`);
  }
  return path;
}

/** undefined for a slice at the top. */
export function parentOf(path: string): string | undefined {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? undefined : path.slice(0, slash);
}

/** From the top down, itself last. */
export function lineageOf(path: string): string[] {
  const names = path.split('/');
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

export function isBelow(path: string, above: string): boolean {
  return path.startsWith(`${above}/`);
}
