// What stands at a path of an image: where COPY, ADD and WORKDIR will write, and where mounts go.
import { isEngineError } from '#base/error.ts';
import type { Visit } from '#runtime/visit.ts';
import { toBinary } from '#tar/binary-path.ts';

/** Paths and names are binary strings. */
export type TargetFacts = {
  /** The deepest directory on the way that exists, links followed; "/" for the root. */
  readonly existing: string;
  /** Names below it that do not exist, or the last of which is a file. */
  readonly missing: readonly string[];
  /** Something else than a directory is there, or on the way. */
  readonly isFile: boolean;
};

/** `target` is absolute, with a slash at the end or not. */
export async function lookAt(visit: Visit | undefined, target: string): Promise<TargetFacts> {
  const names = toBinary(target)
    .split('/')
    .filter((name) => name !== '' && name !== '.');
  if (visit === undefined) return { existing: '/', missing: names, isFile: false };
  for (let length = names.length; length > 0; length -= 1) {
    const missing = names.slice(length);
    const found = await whatIs(visit, `/${names.slice(0, length).join('/')}`);
    if (found === undefined) continue;
    if (found.isDirectory) return { existing: found.path, missing, isFile: false };
    const parts = found.path.split('/');
    const name = parts.pop() ?? '';
    return { existing: parts.join('/') || '/', missing: [name, ...missing], isFile: true };
  }
  return { existing: '/', missing: names, isFile: false };
}

export type Standing = { readonly path: string; readonly isDirectory: boolean };

/** Links followed; undefined where nothing is. */
export async function whatIs(visit: Visit, path: string): Promise<Standing | undefined> {
  try {
    return { path: (await visit.stat(path, '')).path, isDirectory: true };
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  const at = path.lastIndexOf('/');
  const name = path.slice(at + 1);
  try {
    const found = await visit.stat(path.slice(0, at) || '/', name);
    if (found.link === '') return { path: found.path, isDirectory: false };
    // A link that leads nowhere is itself what is there.
    const own = `${found.path === '/' ? '' : found.path}/${name}`;
    return { path: found.target === '' ? own : found.target, isDirectory: false };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  if (!isEngineError(error, 'kernel_refused')) return false;
  return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(String(error.facts['errno']));
}

/** Where the target is in an archive: no slash at either end. */
export function basePath({ existing, missing }: TargetFacts): string {
  return [...existing.split('/'), ...missing].filter((part) => part !== '').join('/');
}

/**
 * Directories of a layer that would lie over a link of the image: what belongs into them goes where
 * the link leads, as any program would write it. Asked with parents first.
 */
export class LinkedDirectories {
  readonly #visit: Visit | undefined;
  readonly #known = new Map<string, { readonly path: string; readonly exists: boolean }>([
    ['', { path: '', exists: true }],
  ]);

  constructor(visit: Visit | undefined) {
    this.#visit = visit;
  }

  /** The path under which the directory is in the layer. */
  async resolve(path: string): Promise<string> {
    return (await this.#find(path)).path;
  }

  /** The image has it. */
  async exists(path: string): Promise<boolean> {
    return (await this.#find(path)).exists;
  }

  async #find(path: string): Promise<{ readonly path: string; readonly exists: boolean }> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const at = path.lastIndexOf('/');
    const parent = await this.#find(path.slice(0, Math.max(at, 0)));
    const name = path.slice(at + 1);
    const wanted = parent.path === '' ? name : `${parent.path}/${name}`;
    // Below what is new everything is.
    const asks = parent.exists && this.#visit !== undefined;
    const found = asks ? await whatIs(this.#visit, `/${wanted}`) : undefined;
    const result =
      found?.isDirectory === true
        ? { path: found.path.replace(/^\/+/, ''), exists: true }
        : { path: wanted, exists: false };
    this.#known.set(path, result);
    return result;
  }
}
