// --keep-git-dir: the repository itself, made to look like that of a clone of one commit, as an
// archive. git has made the files, and has ended: what is no plain file or directory is left out.
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeTar, type EncodeItem } from '#tar/encode.ts';
import { toBinary } from '#tar/binary-path.ts';
import type { GitCommit } from './commit.ts';
import type { FetchedRepository } from './fetch.ts';
import type { GitProgram } from './program.ts';

/** Ours alone: where the archive's attributes are, and what the fetch noted. */
const LEFT_OUT = new Set(['.git/info', '.git/FETCH_HEAD', '.git/hooks']);

export async function gitFolder(
  git: GitProgram,
  fetched: FetchedRepository,
  { object, ref }: GitCommit,
): Promise<AsyncIterable<Uint8Array>> {
  const { commit, name, repository } = fetched;
  await fetched.run(['update-ref', '--no-deref', 'HEAD', commit]);
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
  if (branch !== undefined) {
    await fetched.run(['update-ref', `refs/remotes/origin/${branch}`, commit]);
  } else if (ref !== '') await fetched.run(['update-ref', ref, object]);
  const remote = '+refs/heads/*:refs/remotes/origin/*';
  await fetched.run(['config', 'remote.origin.url', repository.url]);
  await fetched.run(['config', 'remote.origin.fetch', remote]);
  await fetched.run(['read-tree', commit]);
  const seconds = BigInt((await fetched.run(['log', '-1', '--format=%ct', commit])).trim());
  return encodeTar(items(join(git.folder, name), '', seconds * 1_000_000_000n));
}

async function* items(
  folder: string,
  below: string,
  mtime: bigint,
): AsyncGenerator<EncodeItem, void, undefined> {
  const entries = await readdir(join(folder, below), { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const inside = below === '' ? entry.name : `${below}/${entry.name}`;
    if (LEFT_OUT.has(inside)) continue;
    const path = toBinary(inside);
    if (entry.isDirectory()) {
      yield { kind: 'dir', path, mode: 0o755, mtime };
      yield* items(folder, inside, mtime);
    } else if (entry.isFile()) {
      // Opened as what was listed: a link in its place is an error.
      await using file = await open(
        join(folder, inside),
        constants.O_RDONLY | constants.O_NOFOLLOW,
      );
      const { size } = await file.stat();
      const body = file.createReadStream({ autoClose: false });
      yield { kind: 'file', path, mode: 0o644, mtime, size, body };
    }
  }
}
