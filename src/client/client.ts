// The Engine API as a client sees it: version prefix, query, JSON, errors, hijack. A path is
// written without the version: `/containers/json`.
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { ErrorCode } from '#base/error.ts';
import { API_VERSION, olderThan } from '#wire/version.ts';
import type { Endpoint } from './endpoint.ts';
import { ClientError } from './error.ts';
import { type Exchange, exchange, type Reply } from './http.ts';

/** A JSON reply larger than this is refused; `inspect` of the largest image is far below. */
export const JSON_BYTES_MAX = 256 * 1024 * 1024;

export type QueryValue = string | number | boolean | readonly string[] | undefined;
export type Query = Readonly<Record<string, QueryValue>>;

export interface CallOptions {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, `application/x-tar` unless told. */
  readonly stream?: Readable | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  304: 'not_modified',
  400: 'invalid_argument',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  501: 'not_implemented',
  503: 'unavailable',
};

export interface ClientOptions {
  /** Called when nobody listens; true means that the request is worth one more try. */
  readonly onUnreachable?: (error: ClientError) => Promise<boolean>;
}

export class EngineClient {
  readonly endpoint: Endpoint;
  readonly #options: ClientOptions;
  #version: string = API_VERSION;
  #rescued = false;

  constructor(endpoint: Endpoint, options: ClientOptions = {}) {
    this.endpoint = endpoint;
    this.#options = options;
  }

  /** The API version in use; lower than ours after an older server has refused ours. */
  get version(): string {
    return this.#version;
  }

  /** Sends; a status of 400 and above throws a ClientError with the server's own message. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
    return this.#send(method, path, options, false);
  }

  /** Sends and reads the reply as JSON; the caller names its type. */
  async json<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const reply = await this.call(method, path, options);
    const text = await readText(reply.body);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new ClientError('corrupt', `the daemon's reply is not JSON (${path})`, { cause });
    }
  }

  /** Sends and drops the reply's body. */
  async done(method: string, path: string, options: CallOptions = {}): Promise<number> {
    const reply = await this.call(method, path, options);
    reply.body.resume();
    return reply.status;
  }

  /** Turns the connection into a byte stream both ways; half-close ends the container's stdin. */
  async hijack(path: string, options: CallOptions = {}): Promise<Hijacked> {
    const reply = await this.#send('POST', path, options, true);
    if (reply.socket === undefined) {
      reply.body.destroy();
      const text = `unable to upgrade to tcp, received ${reply.status}`;
      throw new ClientError('unavailable', text);
    }
    const multiplexed = reply.headers.get('content-type')?.includes('multiplexed-stream') ?? false;
    return { socket: reply.socket, multiplexed };
  }

  async #send(
    method: string,
    path: string,
    options: CallOptions,
    upgrade: boolean,
  ): Promise<Reply> {
    const streamed = options.stream !== undefined && !(options.stream instanceof Uint8Array);
    // A stream can be sent only once, so the version is asked for before.
    if (streamed) await this.#negotiate();
    const used = this.#version;
    const reply = await this.#exchange(method, path, options, upgrade);
    if (reply.status < 400) return reply;
    const message = errorMessage(await readText(reply.body), reply.status);
    const supported = /too new\. Maximum supported API version is (\d+\.\d+)/.exec(message)?.[1];
    // Negotiated only here, so that the usual case costs no extra round trip.
    if (supported !== undefined && supported !== used && !streamed) {
      this.#version = supported;
      return this.#send(method, path, options, upgrade);
    }
    const code = CODE_OF_STATUS[reply.status] ?? 'internal';
    throw new ClientError(code, message, { facts: { status: reply.status } });
  }

  #exchange(method: string, path: string, options: CallOptions, upgrade: boolean): Promise<Reply> {
    const headers: Record<string, string> = { ...options.headers };
    const request: { -readonly [K in keyof Exchange]: Exchange[K] } = {
      method,
      target: `/v${this.#version}${path}${queryText(options.query)}`,
      headers,
      upgrade,
    };
    if (options.signal !== undefined) request.signal = options.signal;
    if (options.json !== undefined) {
      headers['Content-Type'] = 'application/json';
      request.body = JSON.stringify(options.json);
    } else if (options.stream !== undefined) {
      headers['Content-Type'] ??= 'application/x-tar';
      request.body = options.stream;
    }
    return this.#reach(request);
  }

  async #negotiate(): Promise<void> {
    const reply = await this.#reach({ method: 'GET', target: '/_ping' });
    reply.body.resume();
    const server = reply.headers.get('api-version');
    if (server !== undefined && olderThan(server, this.#version)) this.#version = server;
  }

  async #reach(request: Exchange): Promise<Reply> {
    try {
      return await exchange(this.endpoint, request);
    } catch (error) {
      const rescue = this.#options.onUnreachable;
      const unreachable = error instanceof ClientError && error.facts['unreachable'] === true;
      if (!unreachable || rescue === undefined || this.#rescued) throw error;
      this.#rescued = true;
      if (!(await rescue(error))) throw error;
      return exchange(this.endpoint, request);
    }
  }
}

export interface Hijacked {
  readonly socket: Socket;
  /** The server said that the stream is framed; a server below 1.42 does not say. */
  readonly multiplexed: boolean;
}

/** The daemon's own error text, as the docker CLI shows it. */
export function isDaemonError(error: unknown): error is ClientError {
  return error instanceof ClientError && error.status !== undefined;
}

export function queryText(query: Query | undefined): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === false || value === '') continue;
    if (value === true) pairs.append(name, '1');
    else if (typeof value === 'object') for (const item of value) pairs.append(name, item);
    else pairs.append(name, String(value));
  }
  const text = pairs.toString();
  return text === '' ? '' : `?${text}`;
}

export async function readText(body: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body) {
    const bytes = piece as Buffer;
    size += bytes.length;
    if (size > JSON_BYTES_MAX) {
      body.destroy();
      throw new ClientError('limit_exceeded', `reply larger than ${JSON_BYTES_MAX} bytes`);
    }
    pieces.push(bytes);
  }
  return Buffer.concat(pieces).toString();
}

/** The lines of a stream, each as soon as it is there; empty ones are dropped. */
export async function* readLines(body: Readable): AsyncGenerator<string> {
  let held = '';
  body.setEncoding('utf8');
  for await (const piece of body) {
    const lines = (held + String(piece)).split('\n');
    held = lines.pop() ?? '';
    if (held.length > JSON_BYTES_MAX) throw new ClientError('limit_exceeded', 'line too long');
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (held.trim() !== '') yield held;
}

/** The objects of a stream of newline-separated JSON. */
export async function* readJsonLines<T>(body: Readable): AsyncGenerator<T> {
  for await (const line of readLines(body)) yield parseLine<T>(line);
}

function parseLine<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw new ClientError('corrupt', 'a line of the stream is not JSON', { cause });
  }
}

function errorMessage(text: string, status: number): string {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) {
      return String(parsed.message);
    }
  } catch {
    // Not JSON: a proxy's page or a plain text, shown as it is.
  }
  return text.trim() || `request returned status ${status} with no message`;
}
