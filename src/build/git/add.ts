// ADD of a git repository: known by its commit, so that what was made of it before is found without
// fetching it again.
import { randomUUID } from 'node:crypto';
import type { Context } from '../context.ts';
import type { Copy } from '../dockerfile/instruction.ts';
import type { BuildShared } from '../shared.ts';
import { hashOf } from '../state.ts';
import { commitOf, fetchTree, withToken } from './tree.ts';
import { parseChecksum, parseGitSource } from './url.ts';

export type GitTree = {
  /** Of the commit, and what is taken of it. */
  readonly digest: string;
  readonly fetch: () => Promise<Context>;
};

export async function gitTree(build: BuildShared, url: string, copy: Copy): Promise<GitTree> {
  const parsed = withToken(parseGitSource(url), build.request);
  const source = {
    ...parsed,
    checksum: copy.checksum === '' ? parsed.checksum : parseChecksum(copy.checksum),
    keepGitDir: parsed.keepGitDir || copy.keepGitDir,
  };
  const { folder, signal } = build;
  const place = { host: build.deps.git, folder, signal };
  const commit = await commitOf(place, source);
  const { keepGitDir, subdir, submodules } = source;
  // By which name a commit was asked for is seen in a kept .git alone.
  const found = keepGitDir ? commit : commit.commit;
  return {
    digest: hashOf(['git', source.url, found, subdir, keepGitDir, submodules]),
    fetch: () => fetchTree(place, source, { commit, name: randomUUID() }),
  };
}
