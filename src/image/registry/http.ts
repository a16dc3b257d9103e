// One request and its answer, over connections that are kept: redirects are followed here, and
// every host is looked up in the list of blocked ones first. Nothing here knows about registries.
import { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import type { EngineError } from '#base/error.ts';
import { Connections } from './connection.ts';
import { blockedWords, isBlocked } from './endpoint.ts';
import { requestFailure } from './failure.ts';
import type { RegistryLimits } from './limit.ts';
import type { WorkerSettings } from './protocol.ts';
import { TransferError } from './retry.ts';
import { isSameOrigin, REDIRECTS_MAX, resolveLocation } from './url.ts';

/** What is read of a body that nobody wants, so that its connection can be used again. */
const DISCARD_BYTES_MAX = 64 * 1024;
/** Hosts that are remembered for having answered. */
const HOSTS_MAX = 1000;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const USER_AGENT = 'coracle';

export type Ask = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each attempt. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>);
  readonly signal: AbortSignal;
  /** The registry on whose behalf another host is asked: its authorities are trusted there. */
  readonly home?: string;
  /** In place of `limits.headersMs`. */
  readonly headersMs?: number;
};

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData['body'];
  readonly method: string;
  /** Where it came from in the end. */
  readonly url: URL;
};

/** One value of a field; several are the first. */
export function fieldOf({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'object' ? value[0] : value;
}

export class Http {
  readonly #connections: Connections;
  readonly #blocked: readonly string[];
  readonly #limits: RegistryLimits;
  /** Hosts that have answered: what fails there later is worth another attempt. */
  readonly #answered = new Set<string>();

  constructor({ config, limits, environment }: WorkerSettings) {
    this.#blocked = config.blocked;
    this.#limits = limits;
    const { connectMs } = limits;
    this.#connections = new Connections({ ...config, environment, connectMs });
  }

  /** Follows redirects; credentials stay with the origin that they are for. */
  async ask(first: Ask): Promise<Answer> {
    let ask = first;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
      const answer = await this.#send(ask, first.home ?? first.url.host);
      if (!REDIRECTS.includes(answer.status)) return answer;
      const kept = answer.status === 307 || answer.status === 308;
      if (!kept && ask.method !== 'GET' && ask.method !== 'HEAD') return answer;
      const url = resolveLocation(ask.url, fieldOf(answer, 'location'));
      await discard(answer);
      ask = { ...ask, url, headers: headersFor(url, ask) };
    }
    throw new TransferError('unavailable', `stopped after ${REDIRECTS_MAX} redirects`, {
      retry: 'never',
      facts: { limit: 'REDIRECTS_MAX', url: first.url.origin },
    });
  }

  async #send(ask: Ask, home: string): Promise<Answer> {
    const { method, url, signal, body } = ask;
    if (isBlocked(url.host, this.#blocked)) throw blockedHop(url);
    signal.throwIfAborted();
    try {
      const {
        statusCode,
        headers,
        body: content,
      } = await request(url, {
        dispatcher: await this.#connections.to(url, home),
        method,
        headers: { 'user-agent': USER_AGENT, ...ask.headers },
        body: bodyOf(body),
        signal,
        headersTimeout: ask.headersMs ?? this.#limits.headersMs,
        bodyTimeout: this.#limits.silenceMs,
      });
      if (this.#answered.size >= HOSTS_MAX) this.#answered.clear();
      this.#answered.add(url.host);
      return { status: statusCode, headers, body: content, method, url };
    } catch (error) {
      signal.throwIfAborted();
      throw this.#settle(requestFailure(error, method, url), url);
    }
  }

  #settle(error: EngineError, { host }: URL): EngineError {
    if (!(error instanceof TransferError) || error.retry !== 'reached') return error;
    const { code, message, cause, facts } = error;
    const retry = this.#answered.has(host) ? 'always' : 'never';
    return new TransferError(code, message, { retry, cause, facts });
  }
}

/** A mirror that is blocked, or leads to who is, is passed over like others that fail. */
function blockedHop({ host }: URL): TransferError {
  return new TransferError('forbidden', blockedWords(host), {
    retry: 'never',
    facts: { registry: host },
  });
}

function headersFor(url: URL, ask: Ask): Readonly<Record<string, string>> {
  const { authorization, ...others } = ask.headers ?? {};
  if (authorization === undefined || !isSameOrigin(url, ask.url)) return others;
  return { ...others, authorization };
}

function bodyOf(body: Ask['body']): Uint8Array | Readable | null {
  return typeof body === 'function' ? Readable.from(body(), { objectMode: false }) : (body ?? null);
}

/** The chunks of a body; what breaks it is told as that of the request. */
export async function* chunksOf(answer: Answer, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of answer.body) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    throw requestFailure(error, answer.method, answer.url);
  }
}

/** The whole body, which must not be longer than `max`. */
export async function readBody(
  answer: Answer,
  { what, max, signal }: { readonly what: string; readonly max: number; signal: AbortSignal },
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunksOf(answer, signal)) {
    length += chunk.length;
    if (length > max) {
      throw new TransferError('limit_exceeded', `${what} exceeds ${max} bytes`, {
        retry: 'never',
        facts: { max },
      });
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/** As much of the body as there is, up to `max`, for a message about it. */
export async function readSome(answer: Answer, max: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body) {
      parts.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length >= max) break;
    }
  } catch {
    // What has come must do: the status is what counts.
  }
  return Buffer.concat(parts).subarray(0, max);
}

/** Nobody wants the body: the connection is used again if little is left of it. */
export async function discard(answer: Answer): Promise<void> {
  try {
    await answer.body.dump({ limit: DISCARD_BYTES_MAX });
  } catch {
    // Its connection is gone, which the next request will see.
  }
}
