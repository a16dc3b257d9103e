// One file of the web, by its address: what import, ADD and a build from a URL fetch in the daemon.
// By Node's own client, which serves the API anyway; fetch() would load a second one.
import type { IncomingMessage } from 'node:http';
import { get as getSecure, Agent as HttpsAgent } from 'node:https';
import { pipeline } from 'node:stream';
import { setDefaultCACertificates } from 'node:tls';
import { createGunzip } from 'node:zlib';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { get, Agent as HttpAgent } from '#base/http.ts';
import { hostAuthorities } from './registry/authorities.ts';
import { proxyFor } from './registry/proxy.ts';

const REDIRECTS_MAX = 10;
/** Until the head of an answer is there. */
const HEADERS_MS_MAX = 60_000;
/** Without a byte; the whole may take as long as it takes. */
const SILENT_MS_MAX = 300_000;
const REDIRECTS: readonly (number | undefined)[] = [301, 302, 303, 307, 308];
const HEADERS = { accept: '*/*', 'accept-encoding': 'gzip', 'user-agent': 'coracle' };

export type WebOptions = {
  readonly signal: AbortSignal;
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked for; the process's own without it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** For whoever the address names: what it leads to elsewhere is told nothing. */
  readonly headers?: Readonly<Record<string, string>>;
  /** False: what https led to is not asked without it. */
  readonly downgrade?: boolean;
};

type Asked = {
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
};

export type WebFile = {
  /** See isWhole. */
  readonly status: number;
  readonly statusText: string;
  readonly lastModified: string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
};

/** Follows redirects; throws where there is no answer, with a message that has no password. */
export async function openWeb(address: string, options: WebOptions): Promise<WebFile> {
  const { origin } = new URL(address);
  let url = new URL(address);
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects += 1) {
    const headers = { ...HEADERS, ...(url.origin === origin ? options.headers : {}) };
    const answer = await ask(url, { ...options, headers });
    const { location } = answer.headers;
    if (location === undefined || !REDIRECTS.includes(answer.statusCode)) return fileOf(answer);
    answer.destroy();
    const next = URL.parse(location, url);
    if (next === null) throw new Error('it leads to what is no address');
    const falls = next.protocol === 'http:' && url.protocol === 'https:';
    if (falls && options.downgrade === false) throw new Error(notFollowed(next));
    url = next;
  }
  throw new Error(`it is redirected more than ${REDIRECTS_MAX} times`);
}

const notFollowed = (url: URL): string => `it leads to ${url.protocol}//, which is not followed`;

async function ask(url: URL, options: WebOptions & Asked): Promise<IncomingMessage> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error(notFollowed(url));
  if (url.username !== '' || url.password !== '') {
    throw new Error('a user name or password has no place in an address');
  }
  const proxy = proxyFor(url, options.environment ?? process.env);
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`no answer in ${HEADERS_MS_MAX} ms`)),
    HEADERS_MS_MAX,
  );
  try {
    const signal = AbortSignal.any([options.signal, late.signal]);
    return await send(url, proxy, { headers: options.headers, signal });
  } catch (error) {
    options.signal.throwIfAborted();
    late.signal.throwIfAborted();
    throw proxy !== undefined && isUnreached(error)
      ? new Error(`proxyconnect: ${messageOf(error)}`, { cause: error })
      : error;
  } finally {
    clearTimeout(timer);
  }
}

function send(url: URL, proxy: URL | undefined, asked: Asked): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { ...asked, timeout: SILENT_MS_MAX };
  if (url.protocol === 'https:' || proxy?.protocol === 'https:') trustHost();
  const request =
    url.protocol === 'http:'
      ? get(url, { ...options, agent: new HttpAgent(through(proxy)) })
      : getSecure(url, { ...options, agent: new HttpsAgent(through(proxy)) });
  request.on('timeout', () => request.destroy(new Error(`silent for ${SILENT_MS_MAX} ms`)));
  request.on('error', reject);
  request.on('response', resolve);
  return promise;
}

/** Which requests go by it is our rule: Node's own knows no CIDR. */
function through(proxy: URL | undefined) {
  if (proxy === undefined) return {};
  if (proxy.protocol === 'socks5:') {
    const text = 'files are not fetched through a proxy of SOCKS: name one of http://';
    throw new EngineError('not_implemented', text);
  }
  return { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } };
}

let trusting = false;

/**
 * The authorities of the host, as registries have them: by the thread's default, for Node has no
 * other setting for the connection to a proxy. Once, as to read them takes some 30 ms.
 */
function trustHost(): void {
  if (!trusting) setDefaultCACertificates(hostAuthorities());
  trusting = true;
}

function isUnreached(error: unknown): boolean {
  return ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'].includes(
    errnoOf(error) ?? '',
  );
}

function fileOf(answer: IncomingMessage): WebFile {
  const { statusCode = 0, statusMessage = '', headers } = answer;
  // Whoever reads gets the error; before, nobody listens.
  answer.on('error', () => {});
  const file: WebFile = {
    status: statusCode,
    statusText: statusMessage,
    lastModified: headers['last-modified'],
    body: decoded(answer),
  };
  if (!isWhole(file)) answer.destroy();
  return file;
}

/** Whether it is the file; the body of any other answer is gone. */
export function isWhole({ status }: WebFile): boolean {
  return status >= 200 && status <= 299;
}

/** What was packed for the way alone, as it was asked for. */
function decoded(answer: IncomingMessage): AsyncIterable<Uint8Array> {
  if (answer.headers['content-encoding']?.toLowerCase() !== 'gzip') return answer;
  const gunzip = createGunzip();
  pipeline(answer, gunzip, () => {});
  return gunzip;
}
