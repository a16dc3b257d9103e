// Runs git for a build. It speaks with a stranger's server, so it runs confined (native/confine.c),
// with no configuration but what stands here: no hooks, no prompt, no helper, and only the protocol
// that the URL has. A tree is never checked out: it is read as an archive (tree.ts).
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { EngineError } from '#base/error.ts';
import { proxyFor } from '#image/registry/proxy.ts';
import { type GitRepository, redactUrl } from './url.ts';

/** Of all that one source takes: a large repository over a slow line. */
export const GIT_MS_MAX = 60 * 60 * 1000;
/** Of one pack; a repository without a shallow answer has one or a few. */
export const GIT_FILE_BYTES_MAX = 16 * 1024 ** 3;
export const GIT_MEMORY_BYTES_MAX = 4 * 1024 ** 3;
/** Of lists: refs that match, entries of a directory, .gitmodules. */
export const GIT_OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const ERRORS_BYTES_MAX = 8 * 1024;
const ERROR_LINES_SHOWN = 4;
/** A server that sends nothing for as long is gone. */
const SILENCE_SECONDS_MAX = 60;
/** Where it has its directory (native/confine.c). */
const HOME = '/tmp';
const CANNOT_CONFINE = 125;

/** Of the host, for which the daemon speaks. */
export type GitHost = {
  readonly start: (program: {
    readonly argv: readonly string[];
    readonly directory: string;
    readonly env: Readonly<Record<string, string>>;
    readonly fileBytesMax: number;
    readonly memoryBytesMax: number;
  }) => {
    readonly stdout: Readable;
    readonly stderr: Readable;
    readonly ended: Promise<number>;
    stop(): void;
  };
  /** Where programs are looked for. */
  readonly path: string;
  /** Where certificates are, as the daemon itself has them. */
  readonly env: Readonly<Record<string, string>>;
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked for. */
  readonly proxies: Readonly<Record<string, string | undefined>>;
};

export async function findGit(path: string): Promise<string> {
  for (const folder of path.split(':').filter(isAbsolute)) {
    const program = join(folder, 'git');
    try {
      await access(program, constants.X_OK);
      return program;
    } catch {
      // Not here.
    }
  }
  throw new EngineError(
    'unavailable',
    'git sources need the program git on the host of the daemon, where it is not installed: install the package "git" there, or clone the repository and send it as the context',
    { facts: { program: 'git' } },
  );
}

export class GitProgram implements AsyncDisposable {
  /** On the host; the program sees it as /tmp. */
  readonly folder: string;
  readonly #host: GitHost;
  readonly #program: string;
  readonly #signal: AbortSignal;
  readonly #late = AbortSignal.timeout(GIT_MS_MAX);

  private constructor(host: GitHost, program: string, folder: string, signal: AbortSignal) {
    this.#host = host;
    this.#program = program;
    this.folder = folder;
    this.#signal = signal;
  }

  static async open(host: GitHost, parent: string, signal: AbortSignal): Promise<GitProgram> {
    const program = await findGit(host.path);
    const folder = join(parent, `git-${randomUUID()}`);
    // Before git writes anything there: what it has made is only read later.
    const info = join(folder, TEMPLATE, 'info');
    await mkdir(info, { recursive: true, mode: 0o755 });
    await writeFile(join(info, 'attributes'), ATTRIBUTES, { mode: 0o644 });
    return new GitProgram(host, program, folder, signal);
  }

  /** Its output as text. */
  async run(repository: GitRepository, args: readonly string[]): Promise<string> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of this.stream(repository, args)) {
      bytes += chunk.length;
      if (bytes > GIT_OUTPUT_BYTES_MAX) {
        throw new EngineError('limit_exceeded', `git ${args[0] ?? ''} tells too much`, {
          facts: { limit: 'GIT_OUTPUT_BYTES_MAX', max: GIT_OUTPUT_BYTES_MAX },
        });
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  }

  /** Ended and gone when this is, whatever the reader does. */
  async *stream(
    repository: GitRepository,
    args: readonly string[],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    this.#check();
    const running = this.#host.start({
      argv: [this.#program, ...SETTINGS, ...credentialSettings(repository), ...args],
      directory: this.folder,
      env: {
        ...this.#host.env,
        ...proxyEnvironment(repository, this.#host.proxies),
        ...environment(repository),
        PATH: this.#host.path,
      },
      fileBytesMax: GIT_FILE_BYTES_MAX,
      memoryBytesMax: GIT_MEMORY_BYTES_MAX,
    });
    const stop = (): void => running.stop();
    const signal = AbortSignal.any([this.#signal, this.#late]);
    signal.addEventListener('abort', stop, { once: true });
    const errors = lastBytes(running.stderr);
    let done = false;
    try {
      for await (const chunk of running.stdout) yield chunk as Uint8Array;
      done = true;
    } finally {
      if (!done) running.stop();
      await running.ended;
      signal.removeEventListener('abort', stop);
    }
    const code = await running.ended;
    this.#check();
    if (code !== 0) throw failedWith(repository, code, await errors);
  }

  #check(): void {
    this.#signal.throwIfAborted();
    if (!this.#late.aborted) return;
    throw new EngineError('limit_exceeded', `git took longer than ${GIT_MS_MAX / 60_000} minutes`, {
      facts: { limit: 'GIT_MS_MAX', max: GIT_MS_MAX },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

const TEMPLATE = 'template';
/** For `git init`: paths as the program sees them. */
export const GIT_TEMPLATE = `${HOME}/${TEMPLATE}`;
export const gitDirectory = (name: string): string => `${HOME}/${name}/.git`;
/** An archive has all files, with their content: these would leave out some, and write into others. */
const ATTRIBUTES = '* -export-ignore -export-subst\n';

const SETTINGS = Object.entries({
  'core.hooksPath': '/dev/null',
  'core.attributesFile': '/dev/null',
  'core.fsmonitor': 'false',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'fetch.unpackLimit': '1',
  'fetch.recurseSubmodules': 'false',
  'init.defaultBranch': 'main',
  'protocol.version': '2',
  'tar.umask': '022',
  'http.lowSpeedLimit': '1',
  'http.lowSpeedTime': String(SILENCE_SECONDS_MAX),
}).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

/** Tells git what only the environment has; asked for this host alone, also when it redirects. */
const CREDENTIAL_HELPER =
  '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$CORACLE_GIT_USERNAME" "$CORACLE_GIT_PASSWORD"; }; f';

function credentialSettings({ credentials, host, protocol }: GitRepository): readonly string[] {
  if (credentials === undefined) return [];
  return ['-c', `credential.${protocol}//${host}.helper=${CREDENTIAL_HELPER}`];
}

/**
 * By the rules of all that the daemon fetches: git's own know no HTTP_PROXY and ask a proxy for
 * loopback. Not an argument, which whoever lists processes could read.
 */
function proxyEnvironment({ protocol, url }: GitRepository, proxies: GitHost['proxies']) {
  const proxy = protocol === 'git:' ? undefined : proxyFor(new URL(url), proxies);
  return proxy === undefined ? {} : { [`${protocol.slice(0, -1)}_proxy`]: proxy.href };
}

function environment({ credentials, protocol }: GitRepository): Readonly<Record<string, string>> {
  return {
    HOME: '/nonexistent',
    LC_ALL: 'C',
    GIT_ALLOW_PROTOCOL: protocol.slice(0, -1),
    GIT_ATTR_NOSYSTEM: '1',
    GIT_CEILING_DIRECTORIES: '/',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_TERMINAL_PROMPT: '0',
    ...(credentials === undefined
      ? {}
      : {
          CORACLE_GIT_USERNAME: credentials.username,
          CORACLE_GIT_PASSWORD: credentials.password,
        }),
  };
}

async function lastBytes(stream: Readable): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream) {
    kept = Buffer.concat([kept, chunk as Buffer]).subarray(-ERRORS_BYTES_MAX);
  }
  return kept.toString();
}

/** With the repository, which has no credentials any more. */
function failedWith({ url }: GitRepository, code: number, errors: string): EngineError {
  const lines = errors
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\p{Cc}/gu, '').trim())
    .filter((line) => line !== '');
  const facts = { program: 'git', code };
  if (lines.some((line) => /died of signal 25|File too large/.test(line))) {
    return new EngineError('limit_exceeded', `the git repository ${url} is too large`, {
      facts: { ...facts, limit: 'GIT_FILE_BYTES_MAX', max: GIT_FILE_BYTES_MAX },
    });
  }
  const text = lines.slice(-ERROR_LINES_SHOWN).join(', ') || `it ended with ${code}`;
  const kind = code === CANNOT_CONFINE ? 'kernel_refused' : 'unavailable';
  return new EngineError(kind, `cannot fetch ${url}: ${redactUrl(text)}`, { facts });
}
