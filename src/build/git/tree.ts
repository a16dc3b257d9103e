// The files of a git source as a build context: archives, written by git and read like those that a
// client sends. Nothing is checked out, so a link in a tree can lead nowhere.
import type { BuildRequest } from '../request.ts';
import { EngineError } from '#base/error.ts';
import { toBinary } from '#tar/binary-path.ts';
import { Context } from '../context.ts';
import { type GitCommit, resolveCommit } from './commit.ts';
import { FetchedRepository } from './fetch.ts';
import { gitFolder } from './git-folder.ts';
import { type GitHost, GitProgram } from './program.ts';
import { submodulesOf } from './submodule.ts';
import type { GitCredentials, GitSource } from './url.ts';

export const SUBMODULES_MAX = 500;
const SUBMODULE_DEPTH_MAX = 16;

type Place = {
  readonly host: GitHost;
  /** Of the build. */
  readonly folder: string;
  readonly signal: AbortSignal;
};

/** Closed when the work is done: what it has fetched goes then. */
async function withGit<T>(
  { folder, host, signal }: Place,
  work: (git: GitProgram) => Promise<T>,
): Promise<T> {
  await using git = await GitProgram.open(host, folder, signal);
  return await work(git);
}

export function commitOf(place: Place, source: GitSource): Promise<GitCommit> {
  return withGit(place, (git) => resolveCommit(git, source));
}

/** `name`: of the file of contents, in the build's folder. */
export function fetchTree(
  place: Place,
  source: GitSource,
  { commit, name }: { readonly commit: GitCommit; readonly name: string },
): Promise<Context> {
  return withGit(place, async (git) => {
    const top = await FetchedRepository.fetch(git, source, commit, 'r0');
    const archives = new Archives(git, source);
    const context = await Context.receiveAll(
      archives.all(top, commit),
      place.folder,
      name,
      place.signal,
    );
    try {
      if (source.subdir !== '') context.narrow(toBinary(source.subdir));
      return context;
    } catch (error) {
      await context[Symbol.asyncDispose]();
      throw error;
    }
  });
}

class Archives {
  readonly #git: GitProgram;
  readonly #source: GitSource;
  #repositories = 1;

  constructor(git: GitProgram, source: GitSource) {
    this.#git = git;
    this.#source = source;
  }

  async *all(
    top: FetchedRepository,
    commit: GitCommit,
  ): AsyncGenerator<AsyncIterable<Uint8Array>, void, undefined> {
    const { keepGitDir, subdir } = this.#source;
    yield* this.#of(top, '', 0);
    // A part of a tree is no repository.
    if (keepGitDir && subdir === '') yield await gitFolder(this.#git, top, commit);
  }

  async *#of(
    from: FetchedRepository,
    prefix: string,
    depth: number,
  ): AsyncGenerator<AsyncIterable<Uint8Array>, void, undefined> {
    const { submodules, subdir } = this.#source;
    const modules = submodules ? await submodulesOf(from) : [];
    const within = modules.filter(({ path }) => touches(`${prefix}${path}`, subdir));
    const isBelow = within.some(({ path }) => isInside(subdir, `${prefix}${path}`));
    if (!isBelow) yield* await this.#archive(from, prefix);
    for (const { commit, path, repository } of within) {
      if (depth >= SUBMODULE_DEPTH_MAX || this.#repositories > SUBMODULES_MAX) {
        throw new EngineError('limit_exceeded', 'the git repository has too many submodules', {
          facts: { limit: 'SUBMODULES_MAX', max: SUBMODULES_MAX },
        });
      }
      const name = `r${this.#repositories}`;
      this.#repositories += 1;
      const wanted = { commit, object: commit, ref: '' };
      const inner = await FetchedRepository.fetch(this.#git, repository, wanted, name);
      yield* this.#of(inner, `${prefix}${path}/`, depth + 1);
    }
  }

  /** Of what is below the subdir alone, when there is one. */
  async #archive(
    from: FetchedRepository,
    prefix: string,
  ): Promise<readonly AsyncIterable<Uint8Array>[]> {
    const { subdir, url } = this.#source;
    const path = isInside(subdir, prefix.slice(0, -1)) ? subdir.slice(prefix.length) : '';
    if (path !== '') {
      const entry = await from.entry(path);
      if (entry?.kind === 'submodule') return [];
      if (entry?.kind !== 'dir') {
        const what =
          entry === undefined ? 'is not there' : 'is no directory (links are not followed)';
        throw new EngineError(
          'invalid_argument',
          `subdir ${JSON.stringify(subdir)} of ${url} ${what}, at commit ${from.commit}`,
        );
      }
    }
    const args = ['archive', '--format=tar', `--prefix=${prefix}`, from.commit];
    return [from.stream(path === '' ? args : [...args, '--', path])];
  }
}

/** "" is the top, in which all is. */
function isInside(path: string, directory: string): boolean {
  return directory === '' || path === directory || path.startsWith(`${directory}/`);
}

function touches(path: string, subdir: string): boolean {
  return isInside(path, subdir) || isInside(subdir, path);
}

/**
 * With the caller's token, as buildkit has it: `--secret id=GIT_AUTH_TOKEN.HOST` for one host, or
 * id=GIT_AUTH_TOKEN for any that is asked over https.
 */
export function withToken(
  source: GitSource,
  { secrets }: Pick<BuildRequest, 'secrets'>,
): GitSource {
  if (source.credentials !== undefined || source.protocol === 'git:') return source;
  const own = secrets.get(`${TOKEN}.${source.host}`) ?? secrets.get(`${TOKEN}.${source.hostname}`);
  const token = own ?? (source.protocol === 'https:' ? secrets.get(TOKEN) : undefined);
  if (token === undefined) return source;
  const password = Buffer.from(token).toString().trim();
  const credentials: GitCredentials = { username: 'x-access-token', password };
  return { ...source, credentials };
}

const TOKEN = 'GIT_AUTH_TOKEN';
