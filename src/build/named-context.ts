// --build-context NAME=...: contexts beside the main one, by the names that FROM, COPY --from and RUN
// --mount=from= use. Such a name comes before a stage's and an image's, as with buildkit.
import { randomUUID } from 'node:crypto';
import { isEngineError } from '#base/error.ts';
import { familiarReference, parseReference } from '#base/reference.ts';
import { toBinary } from '#tar/binary-path.ts';
import { encodeTar } from '#tar/encode.ts';
import { Context, CONTEXT_ENTRIES_MAX } from './context.ts';
import type { Place } from './dockerfile/fault.ts';
import { commitOf, fetchTree, withToken } from './git/tree.ts';
import { isGitContext, parseGitSource } from './git/url.ts';
import { fetchRemote } from './remote.ts';
import type { BuildShared } from './shared.ts';

export const CONTEXTS_MAX = 64;
const FILE_MODE = 0o600;
/** They mean the same in every Dockerfile. */
const RESERVED = /^(?:scratch|context|\d+)$/i;

export type ContextSource =
  /** Sent by the client, as a tar archive. */
  | { readonly kind: 'archive'; readonly archive: AsyncIterable<Uint8Array> }
  | { readonly kind: 'image'; readonly name: string }
  /** A git repository, or one file. */
  | { readonly kind: 'url'; readonly url: string };

/** As it is known; undefined for what names no context: "x", "x:latest" and "docker.io/library/x" are one. */
export function contextName(text: string): string | undefined {
  if (RESERVED.test(text)) return undefined;
  try {
    return familiarReference(parseReference(text)).replace(/:latest$/, '');
  } catch (error) {
    if (isEngineError(error, 'invalid_argument')) return undefined;
    throw error;
  }
}

export class NamedContexts implements AsyncDisposable {
  readonly #sources: ReadonlyMap<string, ContextSource>;
  readonly #trees = new Map<string, Promise<Context>>();

  constructor(sources: ReadonlyMap<string, ContextSource>) {
    this.#sources = sources;
  }

  /** What the client sends, in its order, whether a step will ask for it or not. */
  async receive(
    main: Context,
    folder: string,
    signal: AbortSignal,
    ignore: (context: Context) => Promise<void>,
  ): Promise<void> {
    let left = CONTEXT_ENTRIES_MAX - main.entries;
    for (const [name, source] of this.#sources) {
      if (source.kind !== 'archive') continue;
      const context = await Context.receive(source.archive, folder, randomUUID(), signal, left);
      left -= context.entries;
      this.#trees.set(name, Promise.resolve(context));
      await ignore(context);
    }
  }

  /** The name by which it is known here. */
  find(name: string): string | undefined {
    const known = this.#sources.size === 0 ? undefined : contextName(name);
    return known !== undefined && this.#sources.has(known) ? known : undefined;
  }

  /** The image that a context is; any other name is an image's own. */
  imageOf(name: string): string {
    const source = this.#sourceOf(name);
    return source?.kind === 'image' ? source.name : name;
  }

  /** It is a tree of files. */
  isTree(name: string): boolean {
    const source = this.#sourceOf(name);
    return source !== undefined && source.kind !== 'image';
  }

  /** What is elsewhere is fetched once, by the first step that needs it. */
  tree(build: BuildShared, name: string, place: Place): Promise<Context> {
    const key = this.find(name) ?? name;
    const known = this.#trees.get(key) ?? this.#fetch(build, key, place);
    this.#trees.set(key, known);
    return known;
  }

  #sourceOf(name: string): ContextSource | undefined {
    return this.#sources.get(this.find(name) ?? '');
  }

  async #fetch(build: BuildShared, name: string, place: Place): Promise<Context> {
    const source = this.#sources.get(name);
    const url = source?.kind === 'url' ? source.url : '';
    const { deps, folder, request, signal } = build;
    if (isGitContext(url)) {
      const at = { host: deps.git, folder, signal };
      const repository = withToken(parseGitSource(url), request);
      const commit = await commitOf(at, repository);
      return fetchTree(at, repository, { commit, name: randomUUID() });
    }
    const options = { verb: `build context ${name}`, exclude: [], parents: false, place };
    const file = await fetchRemote(build, url, { checksum: '', target: '/' }, options);
    const { body, mtime, size } = file;
    const path = toBinary(file.name);
    const items = [{ kind: 'file', path, mode: FILE_MODE, mtime, size, body: body() } as const];
    return Context.receive(encodeTar(items), folder, randomUUID(), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of await Promise.allSettled(this.#trees.values())) {
      if (each.status === 'fulfilled') await each.value[Symbol.asyncDispose]();
    }
  }
}
