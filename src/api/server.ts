// The HTTP server of the Engine API: node:http with our own table of routes. What is not here: any
// decision about containers or images. On TCP without client certificates a browser on this host
// could be made to ask: requests with an Origin, or for a foreign Host, are refused there.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, ServerResponse as Response } from '#base/http.ts';
import { createServer as createSecureServer } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import { EngineError, isEngineError } from '#base/error.ts';
import { API_VERSION, API_VERSION_MIN, olderThan, parseApiVersion } from '#wire/version.ts';
import type { ApiDeps } from './deps.ts';
import { type Exchange, sendEmpty, sendJson } from './exchange.ts';
import { Query } from './query.ts';
import { type Match, Router } from './router.ts';
import { ROUTES } from './routes.ts';
import { publicMessage, statusOf } from './status.ts';

/** A slow client gets this long for a request's head (slow loris). */
export const HEADERS_MS_MAX = 60_000;
/** Go clients keep idle connections for their next call. */
export const KEEP_ALIVE_MS = 600_000;
/** Go's default is 1 MiB; filters and registry credentials travel in the head. */
export const HEADERS_BYTES_MAX = 256 * 1024;
/** How long a client that spoke no HTTP may take to read why. */
const REFUSED_LINGER_MS = 1_000;

/** A unix socket, a descriptor that already listens (systemd), or TCP. */
export type Where =
  | { readonly path: string }
  | { readonly fd: number }
  | { readonly host: string; readonly port: number };

export type ServerOptions = {
  readonly tls?: TlsOptions | undefined;
  /** Nothing but the network decides who may ask. */
  readonly open?: boolean;
};

export type ApiServer = {
  readonly http: Server;
  listen(where: Where): Promise<void>;
  /** Stops listening and ends every connection, hijacked ones too. */
  close(): Promise<void>;
};

const router = new Router(ROUTES);
const PING_PATH = '/_ping';

export function createApiServer(deps: ApiDeps, options: ServerOptions = {}): ApiServer {
  const hijacked = new Set<Duplex>();
  const shared = { deps, hijacked, open: options.open === true };
  const settings = {
    // A load, a build or an attach lasts as long as it lasts.
    requestTimeout: 0,
    headersTimeout: HEADERS_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: HEADERS_BYTES_MAX,
    // Only where a handler can take the connection; an Upgrade elsewhere (h2c) is ignored.
    shouldUpgradeCallback: (request: IncomingMessage) => hijacks(request),
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    void serve(shared, request, response, undefined);
  };
  const { tls } = options;
  const http =
    tls === undefined
      ? createServer(settings, answer)
      : // Without it a client's end of input would end its output as well (half-close).
        createSecureServer({ ...settings, ...tls, allowHalfOpen: true } as object, answer);
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const response = new Response(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once('finish', () => socket.end());
    void serve(shared, request, response, { socket, head });
  });
  http.on('clientError', refuseMalformed);
  // A handshake that failed: there is nobody to answer, and half-open it would stay for minutes.
  http.on('tlsClientError', (_error: Error, socket: Duplex) => socket.destroy());
  const connections = new Set<Socket>();
  http.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  return {
    http,
    listen: (where) => listen(http, where),
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      http.close(() => resolve());
      http.closeAllConnections();
      for (const socket of hijacked) socket.destroy();
      // Those in the middle of a handshake are none of HTTP's yet.
      for (const socket of connections) socket.destroy();
      await promise;
    },
  };
}

type Shared = {
  readonly deps: ApiDeps;
  readonly hijacked: Set<Duplex>;
  readonly open: boolean;
};

async function serve(
  { deps, hijacked, open }: Shared,
  request: IncomingMessage,
  response: ServerResponse,
  upgrade: Exchange['upgrade'],
): Promise<void> {
  const gone = new AbortController();
  const abandon = (): void => gone.abort();
  request.on('error', abandon);
  response.on('error', abandon);
  response.once('close', () => {
    if (!response.writableFinished) abandon();
  });
  const blank = { deps, hijacked, request, response, upgrade, signal: gone.signal, abandon };
  let exchange: Exchange = { ...blank, params: {}, query: new Query(''), version: API_VERSION };
  try {
    setCommonHeaders(response, deps);
    if (open) refuseBrowser(request);
    const target = parseTarget(request.url ?? '/');
    checkVersion(target.version);
    exchange = { ...exchange, query: target.query, version: target.version ?? API_VERSION };
    if (request.method === 'OPTIONS') return sendEmpty(exchange, 200);
    const match = router.find(request.method ?? '', target.path);
    if (match === undefined) throw new EngineError('not_found', 'page not found');
    exchange = { ...exchange, params: match.params };
    await match.route.handler(exchange);
  } catch (error) {
    fail(exchange, error);
  }
}

/** Of what may have passwords in it only the name. */
function loggedUrl({ url = '' }: IncomingMessage): string {
  return url.replace(/(?<=[?&](?:remote|buildargs)=)[^&]*/gi, '...').slice(0, 500);
}

function fail(exchange: Exchange, error: unknown): void {
  const { request, response, deps } = exchange;
  const facts = { method: request.method, url: loggedUrl(request), error };
  if (isEngineError(error, 'cancelled') || exchange.signal.aborted) {
    deps.log.debug('client went away', facts);
    response.destroy();
    return;
  }
  const status = statusOf(error);
  if (!isEngineError(error) || error.code === 'internal') deps.log.error('request failed', facts);
  else deps.log.debug('request refused', facts);
  if (response.headersSent || response.socket === null) {
    // The head is out: all that can be said is that the body is not whole.
    response.destroy();
    return;
  }
  if (status === 304) sendEmpty(exchange, 304);
  else sendJson(exchange, status, { message: publicMessage(error) });
}

/** A page may ask what it wants of localhost, or of a name that its owner lets mean it. */
function refuseBrowser({ headers }: IncomingMessage): void {
  if (headers.origin !== undefined) {
    throw new EngineError('forbidden', 'requests of web pages are refused (Origin)');
  }
  const host = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (host === '' || host === 'localhost' || isIP(host) !== 0 || host === hostname()) return;
  throw new EngineError('forbidden', `requests for another host are refused (Host: ${host})`);
}

function setCommonHeaders(response: ServerResponse, deps: ApiDeps): void {
  response.setHeader('Api-Version', API_VERSION);
  // docker's client sends --squash only to who says so.
  response.setHeader('Docker-Experimental', 'true');
  response.setHeader('Ostype', 'linux');
  // Old Go clients take the system's name out of the parentheses.
  response.setHeader('Server', `Docker/${deps.facts.version} (linux)`);
}

type Target = {
  readonly version: string | undefined;
  readonly path: string;
  readonly query: Query;
};

function parseTarget(url: string): Target {
  // A proxy may send the absolute form (RFC 9112, 3.2.2).
  const relative = /^http:\/\/[^/?]*/i.test(url) ? url.replace(/^http:\/\/[^/?]*/i, '') : url;
  const mark = relative.indexOf('?');
  const rawPath = mark === -1 ? relative : relative.slice(0, mark);
  const query = new Query(mark === -1 ? '' : relative.slice(mark + 1));
  let path: string;
  try {
    path = decodeURIComponent(rawPath);
  } catch {
    throw new EngineError('invalid_argument', 'malformed path: invalid URL escape');
  }
  if (path.includes('\0')) throw new EngineError('invalid_argument', 'malformed path: NUL byte');
  const match = /^\/v(\d[0-9.]*)(\/.*)$/s.exec(path);
  if (match === null) return { version: undefined, path, query };
  return { version: match[1], path: match[2] ?? '/', query };
}

function checkVersion(version: string | undefined): void {
  if (version === undefined) return;
  if (parseApiVersion(version) === undefined) throw new EngineError('not_found', 'page not found');
  if (olderThan(version, API_VERSION_MIN)) {
    throw new EngineError(
      'invalid_argument',
      `client version ${version} is too old. Minimum supported API version is ` +
        `${API_VERSION_MIN}, please upgrade your client to a newer version`,
    );
  }
  if (olderThan(API_VERSION, version)) {
    throw new EngineError(
      'invalid_argument',
      `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  }
}

function hijacks(request: IncomingMessage): boolean {
  return findRoute(request)?.route.hijacks === true;
}

function findRoute(request: IncomingMessage): Match | undefined {
  const url = request.url ?? '/';
  if (url.endsWith(PING_PATH)) return undefined;
  try {
    return router.find(request.method ?? '', parseTarget(url).path);
  } catch {
    return undefined; // a malformed path is answered by serve()
  }
}

function refuseMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  if (!socket.writable) return; // more of the same bytes; answered, and closed below
  const large = error.code === 'HPE_HEADER_OVERFLOW';
  const status = large ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const message = large ? 'request header too large' : 'malformed HTTP request';
  const body = `${JSON.stringify({ message })}\n`;
  const head = [`HTTP/1.1 ${status}`, 'Connection: close', 'Content-Type: application/json'];
  socket.end(`${head.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  // Closed at once, unread bytes would reset the connection before the answer is read (unix(7)).
  const timer = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
  socket.once('end', () => socket.destroy());
  socket.once('close', () => clearTimeout(timer));
}

function listen(http: Server, where: Where): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  http.once('error', reject);
  http.listen(where, () => {
    http.off('error', reject);
    resolve();
  });
  return promise;
}
