// Fetches one commit into a repository of its own below the program's directory: alone where the
// server gives single commits, else with all branches and tags.
import { EngineError, isEngineError } from '#base/error.ts';
import type { GitCommit } from './commit.ts';
import { GIT_TEMPLATE, gitDirectory, type GitProgram } from './program.ts';
import type { GitRepository } from './url.ts';

const EVERYTHING = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];

export class FetchedRepository {
  readonly #git: GitProgram;
  readonly repository: GitRepository;
  /** Of its directory. */
  readonly name: string;
  /** A commit's, also when a tag was asked for. */
  readonly commit: string;

  private constructor(
    git: GitProgram,
    repository: GitRepository,
    names: { readonly name: string; readonly commit: string },
  ) {
    this.#git = git;
    this.repository = repository;
    this.name = names.name;
    this.commit = names.commit;
  }

  static async fetch(
    git: GitProgram,
    repository: GitRepository,
    wanted: GitCommit,
    name: string,
  ): Promise<FetchedRepository> {
    const format = wanted.object.length === 64 ? ['--object-format=sha256'] : [];
    await git.run(repository, ['init', '-q', `--template=${GIT_TEMPLATE}`, ...format, name]);
    const self = new FetchedRepository(git, repository, { name, commit: wanted.commit });
    const fetch = ['fetch', '-q', '--no-tags', '--no-recurse-submodules', '--update-head-ok'];
    const { object, ref, commit } = wanted;
    try {
      await self.run([...fetch, '--depth=1', '--', repository.url, object]);
    } catch (error) {
      if (!isEngineError(error, 'unavailable')) throw error;
      const refs = ref === '' ? EVERYTHING : [...EVERYTHING, `+${ref}:refs/coracle/wanted`];
      await self.run([...fetch, '--', repository.url, ...refs]);
    }
    const found = await self.#peel(object);
    if (found === undefined || (found !== commit && object !== commit)) {
      throw new EngineError('not_found', `repository ${repository.url} has no commit ${commit}`);
    }
    return new FetchedRepository(git, repository, { name, commit: found });
  }

  run(args: readonly string[]): Promise<string> {
    return this.#git.run(this.repository, [`--git-dir=${gitDirectory(this.name)}`, ...args]);
  }

  stream(args: readonly string[]): AsyncIterable<Uint8Array> {
    return this.#git.stream(this.repository, [`--git-dir=${gitDirectory(this.name)}`, ...args]);
  }

  async #peel(object: string): Promise<string | undefined> {
    try {
      return (await this.run(['rev-parse', '-q', '--verify', `${object}^{commit}`])).trim();
    } catch (error) {
      if (isEngineError(error, 'unavailable')) return undefined;
      throw error;
    }
  }

  /** What the commit has at a path; no link is followed. */
  async entry(path: string): Promise<TreeEntry | undefined> {
    const text = await this.run(['ls-tree', '-z', '--full-tree', this.commit, '--', path]);
    const match = /^(\d{6}) \w+ ([0-9a-f]+)\t/.exec(text);
    if (match === null) return undefined;
    return { kind: KINDS[match[1] ?? ''] ?? 'file', object: match[2] ?? '' };
  }
}

export type TreeEntry = {
  readonly kind: 'dir' | 'file' | 'symlink' | 'submodule';
  readonly object: string;
};

/** By the mode (gitformat-index(5)); all others are files. */
const KINDS: Readonly<Record<string, TreeEntry['kind']>> = {
  '040000': 'dir',
  '120000': 'symlink',
  '160000': 'submodule',
};
