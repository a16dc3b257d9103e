// The submodules of a commit. `.gitmodules` is as untrusted as the rest of the tree: it is read as
// text, its URLs pass the same gate as those of a build, and git's own command for it is never run.
import { EngineError } from '#base/error.ts';
import type { FetchedRepository } from './fetch.ts';
import { type GitRepository, parseGitRepository, redactUrl } from './url.ts';

export type Submodule = {
  readonly path: string;
  readonly commit: string;
  readonly repository: GitRepository;
};

export async function submodulesOf(from: FetchedRepository): Promise<readonly Submodule[]> {
  // A link would be read by nobody: git refuses it too (CVE-2018-11235 and after).
  if ((await from.entry('.gitmodules'))?.kind !== 'file') return [];
  const blob = `--blob=${from.commit}:.gitmodules`;
  const text = await from.run(['config', '-z', blob, '--list']);
  const found: Submodule[] = [];
  for (const [name, fields] of parseModules(text)) {
    const path = fields.get('path') ?? '';
    const url = fields.get('url') ?? '';
    if (path === '' || url === '' || fields.get('update') === 'none') continue;
    if (path.split('/').some((part) => /^(?:\.{0,2}|\.git)$/i.test(part))) {
      throw wrong(name, `its path is ${JSON.stringify(path)}`);
    }
    const entry = await from.entry(path);
    if (entry?.kind !== 'submodule') continue;
    found.push({ path, commit: entry.object, repository: repositoryOf(from, name, url) });
  }
  return found;
}

/** Lines of `git config -z`: "submodule.NAME.FIELD\nVALUE". */
function parseModules(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const modules = new Map<string, Map<string, string>>();
  for (const line of text.split('\0')) {
    const match = /^submodule\.([^\n]+)\.([a-z]+)\n([\s\S]*)$/.exec(line);
    if (match === null) continue;
    const [, name = '', field = '', value = ''] = match;
    const fields = modules.get(name) ?? new Map<string, string>();
    modules.set(name, fields.set(field, value));
  }
  return modules;
}

function repositoryOf(
  { repository: parent }: FetchedRepository,
  name: string,
  url: string,
): GitRepository {
  let found: GitRepository;
  try {
    found = parseGitRepository(/^\.{1,2}\//.test(url) ? relativeUrl(parent.url, url) : url);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw wrong(name, error.message);
  }
  // Whoever may read the one may have to say so for the other; nobody else is told.
  const isSame = found.protocol === parent.protocol && found.host === parent.host;
  return isSame ? { ...found, credentials: found.credentials ?? parent.credentials } : found;
}

/** As git-submodule(1): from where the parent is, not from its parent directory. */
function relativeUrl(parent: string, url: string): string {
  const base = parent.replace(/\/+$/, '').split('/');
  const [first, ...rest] = url.split('/');
  if (first === '..') base.pop();
  for (const part of rest) {
    if (part === '..') base.pop();
    else if (part !== '.' && part !== '') base.push(part);
  }
  return base.join('/');
}

function wrong(name: string, why: string): EngineError {
  const shown = JSON.stringify(redactUrl(name));
  return new EngineError('invalid_argument', `submodule ${shown} cannot be fetched: ${why}`);
}
