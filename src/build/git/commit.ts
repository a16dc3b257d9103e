// Which commit a git source means now: asked of the server, without fetching anything.
import { EngineError } from '#base/error.ts';
import type { GitProgram } from './program.ts';
import { type GitSource, isCommitName } from './url.ts';

export type GitCommit = {
  readonly commit: string;
  /** An annotated tag, or the commit itself. */
  readonly object: string;
  /** In full, "refs/tags/v1"; "" where a commit or the server's HEAD was asked for. */
  readonly ref: string;
};

export async function resolveCommit(git: GitProgram, source: GitSource): Promise<GitCommit> {
  const found = isCommitName(source.ref)
    ? { commit: source.ref, object: source.ref, ref: '' }
    : await askServer(git, source);
  checkSum(source, found);
  return found;
}

async function askServer(git: GitProgram, source: GitSource): Promise<GitCommit> {
  const wanted = refsOf(source);
  const patterns = wanted.flatMap((ref) => (ref === 'HEAD' ? [ref] : [ref, `${ref}^{}`]));
  const text = await git.run(source, ['ls-remote', '--', source.url, ...patterns]);
  const names = new Map(
    text.split('\n').flatMap((line) => {
      const [name = '', ref = ''] = line.split('\t');
      return isCommitName(name) ? [[ref, name] as const] : [];
    }),
  );
  const ref = wanted.find((each) => names.has(each));
  const object = ref === undefined ? undefined : names.get(ref);
  if (ref === undefined || object === undefined) {
    const what = source.ref === '' ? 'no commit yet' : `no ref ${source.ref}`;
    throw new EngineError('not_found', `repository ${source.url} has ${what}`);
  }
  return { commit: names.get(`${ref}^{}`) ?? object, object, ref: ref === 'HEAD' ? '' : ref };
}

/** In the order in which they count: a branch before a tag, as git-checkout has it. */
function refsOf({ ref, refKind }: GitSource): readonly string[] {
  if (ref === '' || ref === 'HEAD') return ['HEAD'];
  if (refKind === 'branch') return [`refs/heads/${ref}`];
  if (refKind === 'tag') return [`refs/tags/${ref}`];
  if (ref.startsWith('refs/')) return [ref];
  return [`refs/heads/${ref}`, `refs/${ref}`, `refs/tags/${ref}`];
}

function checkSum({ checksum, url }: GitSource, { commit, object }: GitCommit): void {
  if (checksum === '' || commit.startsWith(checksum) || object.startsWith(checksum)) return;
  const got = object === commit ? commit : `${object} or ${commit}`;
  throw new EngineError(
    'invalid_argument',
    `expected checksum to match ${checksum}, got ${got}: ${url}`,
  );
}
