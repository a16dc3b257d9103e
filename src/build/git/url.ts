// What names a git repository in a build: `https://host/x.git#ref:dir` and its newer form with a
// query (docs.docker.com, "Build context", "URL fragments" and "URL queries"). Everything in it is
// a stranger's word: what could be an option, a helper program or a control sequence is refused here,
// and credentials are taken out, so that no text that is shown, stored or passed on has them.
import { EngineError } from '#base/error.ts';

export const GIT_URL_LENGTH_MAX = 4096;
const REF_LENGTH_MAX = 255;
const CHECKSUM_LENGTH_MIN = 7;

const PROTOCOLS = ['https:', 'http:', 'git:'] as const;
export type GitProtocol = (typeof PROTOCOLS)[number];

export type GitCredentials = { readonly username: string; readonly password: string };

export type GitRepository = {
  /** Without credentials: for git, and to be shown. */
  readonly url: string;
  readonly protocol: GitProtocol;
  /** With the port, when it has one. */
  readonly host: string;
  readonly hostname: string;
  readonly credentials: GitCredentials | undefined;
};

export type GitSource = GitRepository & {
  /** "" = what the server's HEAD is. */
  readonly ref: string;
  /** What kind of ref is meant; any: a branch before a tag. */
  readonly refKind: 'any' | 'branch' | 'tag';
  /** "" = the whole tree. */
  readonly subdir: string;
  /** Hex digits that the commit's name begins with; "" = any. */
  readonly checksum: string;
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
};

/** A source of ADD that is a repository and neither a file of the context nor a file of the web. */
export function isGitUrl(text: string): boolean {
  return (
    /^(?:git|ssh):\/\//i.test(text) ||
    /^[\w.-]+@[\w.-]+:/.test(text) ||
    /^https?:\/\/[^?#]*\.git(?:[?#]|$)/i.test(text)
  );
}

/** As docker has it, a context may also be "github.com/user/repository". */
export function isGitContext(text: string): boolean {
  return isGitUrl(text) || /^github\.com\//.test(text);
}

export function parseGitSource(text: string): GitSource {
  checkCharacters(text);
  const whole = /^github\.com\//.test(text) ? `https://${text}` : text;
  const [beforeHash = '', ...hash] = whole.split('#');
  const [bare = '', ...search] = beforeHash.split('?');
  const repository = parseGitRepository(bare);
  const wish = { ...parseFragment(hash.join('#'), text) };
  const query = search.length === 0 ? undefined : parseQuery(search.join('?'), text);
  if (query !== undefined && hash.length > 0) {
    throw wrong(text, 'it has a query and a fragment, which say the same things');
  }
  const source = { ...repository, ...EVERYTHING, ...wish, ...query };
  checkRef(source.ref, text);
  return { ...source, subdir: cleanSubdir(source.subdir, text) };
}

const EVERYTHING = {
  ref: '',
  refKind: 'any',
  subdir: '',
  checksum: '',
  keepGitDir: false,
  submodules: true,
} as const;

/** Of a submodule too, which has neither a ref nor a directory. */
export function parseGitRepository(text: string): GitRepository {
  checkCharacters(text);
  if (/^ssh:\/\//i.test(text) || /^[^/:]+@[^/:]+:/.test(text)) {
    const why = `cannot fetch ${redactUrl(text)}: ssh is not spoken for git sources, only https, http and git are. Use https, with a token as --secret id=GIT_AUTH_TOKEN where the repository is private, or RUN --mount=type=ssh git clone`;
    throw new EngineError('not_implemented', why);
  }
  const url = URL.parse(text);
  if (url === null) throw wrong(text, 'it is no URL');
  const protocol = PROTOCOLS.find((each) => each === url.protocol);
  if (protocol === undefined) {
    throw wrong(text, `${url.protocol.slice(0, -1)} is not allowed, only https, http and git are`);
  }
  // A name that begins with "-" could be an option for a program that connects.
  if (!/^(?:\[[0-9a-f:.]+\]|\w[\w.-]*)$/i.test(url.hostname)) {
    throw wrong(text, 'it has no host that could be asked');
  }
  const credentials = credentialsOf(url, text);
  if (credentials !== undefined && protocol === 'git:') {
    throw wrong(text, 'the git protocol has no credentials');
  }
  const { host, hostname, pathname } = url;
  if (pathname === '' || pathname === '/') throw wrong(text, 'it names no repository');
  return { url: `${protocol}//${host}${pathname}`, protocol, host, hostname, credentials };
}

function credentialsOf({ password, username }: URL, text: string): GitCredentials | undefined {
  if (username === '' && password === '') return undefined;
  const credentials = { username: decode(username, text), password: decode(password, text) };
  // git's words to its helpers are lines.
  if (/\p{Cc}/u.test(`${credentials.username}${credentials.password}`)) {
    throw wrong(text, 'its credentials have control characters');
  }
  return credentials;
}

/** `#ref:dir` */
function parseFragment(fragment: string, text: string): Pick<GitSource, 'ref' | 'subdir'> {
  const at = fragment.indexOf(':');
  const [ref, subdir] = at < 0 ? [fragment, ''] : [fragment.slice(0, at), fragment.slice(at + 1)];
  return { ref: decode(ref, text), subdir: decode(subdir, text) };
}

function parseQuery(search: string, text: string): Partial<GitSource> {
  const wish: { -readonly [K in keyof GitSource]?: GitSource[K] } = {};
  for (const [name, value] of new URLSearchParams(search)) {
    if (name === 'ref' || name === 'branch' || name === 'tag') {
      if (wish.ref !== undefined)
        throw wrong(text, 'it names more than one of ref, branch and tag');
      if (value === '') throw wrong(text, `its ${name} is empty`);
      wish.ref = value;
      wish.refKind = name === 'ref' ? 'any' : name;
    } else if (name === 'subdir') wish.subdir = value;
    else if (name === 'checksum' || name === 'commit') wish.checksum = parseChecksum(value);
    else if (name === 'keep-git-dir') wish.keepGitDir = parseBool(name, value, text);
    else if (name === 'submodules') wish.submodules = parseBool(name, value, text);
    else throw wrong(text, `${JSON.stringify(name)} means nothing in the query of a git URL`);
  }
  // A commit alone says all of it.
  if (wish.ref === undefined && isCommitName(wish.checksum ?? '')) wish.ref = wish.checksum ?? '';
  return wish;
}

export function parseChecksum(text: string): string {
  const clean = text.toLowerCase();
  const isHex = /^[0-9a-f]+$/.test(clean) && clean.length <= 64;
  if (isHex && clean.length >= CHECKSUM_LENGTH_MIN) return clean;
  throw new EngineError(
    'invalid_argument',
    `invalid checksum ${text}: of a git source it is the commit's name in hex, at least ${CHECKSUM_LENGTH_MIN} digits`,
  );
}

function parseBool(name: string, value: string, text: string): boolean {
  if (value === '' || /^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw wrong(text, `${name} is true or false`);
}

/** In full: of SHA-1, or of SHA-256. */
export function isCommitName(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** As git-check-ref-format(1) has it, with one level allowed. */
function checkRef(ref: string, text: string): void {
  if (ref === '') return;
  const bad =
    ref.length > REF_LENGTH_MAX ||
    /[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$|\.lock$/u.test(ref) ||
    ref.split('/').some((part) => part.startsWith('.') || part.endsWith('.lock'));
  if (bad || ref === '@') throw wrong(text, `invalid ref ${JSON.stringify(ref)}`);
}

function cleanSubdir(subdir: string, text: string): string {
  const parts = subdir.split('/').filter((part) => part !== '' && part !== '.');
  const bad = /\p{Cc}/u.test(subdir) || parts[0]?.startsWith('-') === true;
  if (bad || parts.some((part) => part === '..' || /^\.git$/i.test(part))) {
    throw wrong(text, `invalid subdir ${JSON.stringify(subdir)}`);
  }
  return parts.join('/');
}

function checkCharacters(text: string): void {
  if (text.length > GIT_URL_LENGTH_MAX) {
    throw new EngineError('limit_exceeded', 'the URL of a git repository is too long', {
      facts: { limit: 'GIT_URL_LENGTH_MAX', max: GIT_URL_LENGTH_MAX },
    });
  }
  if (/[\p{Cc} \\]/u.test(text)) {
    throw wrong(text, 'it has blanks, backslashes or control characters');
  }
  if (text.startsWith('-')) throw wrong(text, 'it begins with "-"');
}

function decode(text: string, whole: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(whole, 'it has a broken %-escape');
  }
}

/** Any URL in a text, as buildkit shows it. */
export function redactUrl(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"']*@/gi, '$1xxxxx:xxxxx@');
}

function wrong(text: string, why: string): EngineError {
  const shown = redactUrl(text)
    .replace(/\p{Cc}/gu, '?')
    .slice(0, 300);
  return new EngineError('invalid_argument', `invalid git URL ${shown}: ${why}`);
}
