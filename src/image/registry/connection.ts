// Connections by what they need: verified or not, with which authorities and certificates, through
// which proxy. Those of the same kind are kept and used again, and end with the thread.
import type { Dirent } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, ProxyAgent } from 'undici';
import { type Digest, sha256 } from '#base/digest.ts';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { hostAuthorities } from './authorities.ts';
import { CERTIFICATE_BYTES_MAX, certificateFiles } from './certificate.ts';
import { isInsecure } from './endpoint.ts';
import { proxyFor } from './proxy.ts';

/** Kinds of connections that are kept: one is for a host with certificates, or for all others. */
const KINDS_MAX = 64;
/** Of an answer; Node's own limit is the same. */
const HEADER_BYTES_MAX = 16 * 1024;
const KEEP_ALIVE_MS = 4_000;

/** A folder of certificates is read anew after so long: dockerd sees what was added at once. */
const IDENTITY_MS_MAX = 500;

/** What a folder of certs.d holds. */
type Identity = {
  /** Of all that it holds. */
  readonly digest: Digest;
  readonly folder: string;
  readonly authorities: readonly string[];
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
};

type Options = {
  readonly certsDirectories: readonly string[];
  readonly insecure: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly connectMs: number;
};

export class Connections {
  readonly #options: Options;
  readonly #kinds = new Map<string, Dispatcher>();
  readonly #identities = new Map<string, { readonly identity: Identity; readonly atMs: number }>();
  #publicAuthorities: readonly string[] | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** `home` is the registry on whose behalf a token server or a redirect is asked. */
  async to(url: URL, home: string): Promise<Dispatcher> {
    const proxy = proxyFor(url, this.#options.environment);
    const plain = url.protocol === 'http:';
    const identity = plain ? undefined : await this.#identityFor(url.host, home);
    const verify = plain || !isInsecure(url.host, this.#options.insecure);
    const whose = identity === undefined ? '' : `${identity.digest} ${identity.keys.length}`;
    const key = `${proxy?.href ?? ''} ${verify} ${plain} ${whose}`;
    const kept = this.#kinds.get(key);
    if (kept !== undefined) return kept;
    const made = this.#make({ proxy, verify, plain, identity });
    this.#kinds.set(key, made);
    for (const [old, dispatcher] of this.#kinds) {
      if (this.#kinds.size <= KINDS_MAX) break;
      this.#kinds.delete(old);
      // What it has under way goes on; nothing new comes.
      dispatcher.close().catch(() => {});
    }
    return made;
  }

  /**
   * A host's own certificates; else the authorities of its home, but not what proves who we are.
   */
  async #identityFor(host: string, home: string): Promise<Identity | undefined> {
    const own = await this.#identityOf(host);
    if (own !== undefined || home === host) return own;
    const lent = await this.#identityOf(home);
    return lent && { ...lent, certificates: [], keys: [] };
  }

  async #identityOf(host: string): Promise<Identity | undefined> {
    // A redirect may have any host: no other folder is read for it.
    if (/^\.*$/.test(host)) return undefined;
    const known = this.#identities.get(host);
    if (known !== undefined && performance.now() - known.atMs < IDENTITY_MS_MAX) {
      return known.identity;
    }
    const identity = await readIdentity(this.#options.certsDirectories, host);
    if (this.#identities.size >= KINDS_MAX) this.#identities.clear();
    if (identity === undefined) this.#identities.delete(host);
    else this.#identities.set(host, { identity, atMs: performance.now() });
    return identity;
  }

  #make(kind: {
    readonly proxy: URL | undefined;
    readonly verify: boolean;
    readonly plain: boolean;
    readonly identity: Identity | undefined;
  }): Dispatcher {
    const { proxy, verify, plain, identity } = kind;
    const limits = { timeout: this.#options.connectMs, allowH2: false };
    const tls = plain
      ? limits
      : {
          ...limits,
          rejectUnauthorized: verify,
          // Made once: reading a hundred authorities for each connection would take 20 ms each.
          secureContext: this.#secureContext(identity, verify),
        };
    const common = {
      allowH2: false,
      maxHeaderSize: HEADER_BYTES_MAX,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    if (proxy === undefined) return new Agent({ ...common, connect: buildConnector(tls) });
    if (proxy.protocol === 'socks5:') {
      // With settings for it, undici would speak TLS to the proxy.
      const connectTimeout = this.#options.connectMs;
      return new ProxyAgent({ ...common, uri: proxy.href, requestTls: tls, connectTimeout });
    }
    const secureContext = this.#secureContext(undefined, true);
    const proxyTls = { ...limits, secureContext };
    return new ProxyAgent({ ...common, uri: proxy.href, requestTls: tls, proxyTls });
  }

  #secureContext(identity: Identity | undefined, verify: boolean): SecureContext {
    try {
      return createSecureContext({
        ca: verify ? [...this.#authorities(), ...(identity?.authorities ?? [])] : [],
        cert: [...(identity?.certificates ?? [])],
        key: [...(identity?.keys ?? [])],
      });
    } catch (error) {
      throw new EngineError(
        'invalid_argument',
        `cannot use the certificates in ${identity?.folder ?? 'the system'}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  #authorities(): readonly string[] {
    this.#publicAuthorities ??= hostAuthorities();
    return this.#publicAuthorities;
  }
}

/** The first folder that there is for the host. */
async function readIdentity(
  directories: readonly string[],
  host: string,
): Promise<Identity | undefined> {
  for (const directory of directories) {
    const folder = join(directory, host);
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw unreadable(folder, error);
    });
    if (entries !== undefined) return readFolder(folder, entries);
  }
  return undefined;
}

async function readFolder(folder: string, entries: readonly Dirent[]): Promise<Identity> {
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const { authorities, pairs } = certificateFiles(folder, names);
  const read = (list: readonly string[]) =>
    Promise.all(list.map((name) => readPem(join(folder, name))));
  const held = {
    authorities: await read(authorities),
    certificates: await read(pairs.map(({ certificate }) => certificate)),
    keys: await read(pairs.map(({ key }) => key)),
  };
  return { ...held, folder, digest: sha256(JSON.stringify(held)) };
}

async function readPem(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > CERTIFICATE_BYTES_MAX) throw new Error(`more than ${CERTIFICATE_BYTES_MAX} bytes`);
    return await file.readFile('utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): EngineError {
  return new EngineError('invalid_argument', `cannot read ${path}: ${messageOf(error)}`, {
    cause: error,
    facts: { path },
  });
}
