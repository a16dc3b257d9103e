// One HTTP/1.1 exchange over node:net. Written by hand because loading node:http costs the CLI a
// hundred milliseconds at each start (reference/libraries.md, fact 3), and because an attach must
// take over the socket. What is not here: pooling, redirects, proxies. One socket an exchange.
// RFC 9112 is the message syntax.
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { errnoOf, messageOf } from '#base/error.ts';
import { BodyDecoder } from './body.ts';
import { type Connecting, type Endpoint, endpointText, hostText, openSocket } from './endpoint.ts';
import { ClientError } from './error.ts';

export interface Exchange {
  readonly method: string;
  /** Path with its query, already encoded. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text and bytes go with Content-Length, a stream goes chunked. */
  readonly body?: string | Uint8Array | Readable;
  readonly signal?: AbortSignal;
  /** Ask for `Upgrade: tcp`; a 101 answer hands over the socket. */
  readonly upgrade?: boolean;
}

export interface Reply {
  readonly status: number;
  /** Names are lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Readable;
  /** The raw connection after a 101; bytes that followed the head are its first data. */
  readonly socket?: Socket;
}

/** The largest reply head that is accepted: Node's own server default, four times. */
export const HEAD_BYTES_MAX = 64 * 1024;

const HEAD_END = Buffer.from('\r\n\r\n');

/** Sends one request and resolves when the reply's head is there. Any status resolves. */
export async function exchange(endpoint: Endpoint, request: Exchange): Promise<Reply> {
  const { signal } = request;
  if (signal?.aborted === true) throw cancelled(signal);
  const opening = openSocket(endpoint);
  return exchangeOver(opening instanceof Promise ? await opening : opening, endpoint, request);
}

async function exchangeOver(
  { socket, ready }: Connecting,
  endpoint: Endpoint,
  request: Exchange,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const { signal } = request;
  if (signal?.aborted === true) {
    socket.destroy();
    throw cancelled(signal);
  }
  let connected = false;
  let body: Body | undefined;
  let handedOver = false;
  const fail = (error: ClientError): void => {
    reject(error);
    if (!handedOver) body?.destroy(error);
    socket.destroy();
  };
  const abort = (): void => fail(cancelled(signal));
  signal?.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal?.removeEventListener('abort', abort));
  socket.once(ready, () => {
    connected = true;
    send(socket, endpoint, request, fail);
  });
  socket.on('error', (error) => {
    if (handedOver) return; // the new owner listens
    fail(connected ? broken(error, endpoint) : unreachable(endpoint, error));
  });
  const heads = new HeadReader();
  const onEnd = (): void => {
    const closed = new Error('the daemon closed the connection');
    if (body === undefined) fail(broken(closed, endpoint));
    else body.sourceEnded();
  };
  const onData = (chunk: Buffer): void => {
    if (body !== undefined) return body.feed(chunk);
    try {
      const head = heads.feed(chunk);
      if (head === undefined) return;
      if (head.status === 101) {
        handedOver = true;
        handOver(socket, head.rest, { onData, onEnd });
        resolve({ status: 101, headers: head.headers, body: socket, socket });
        return;
      }
      body = new Body(socket, new BodyDecoder(request.method, head.status, head.headers));
      resolve({ status: head.status, headers: head.headers, body });
      body.feed(head.rest);
    } catch (error) {
      fail(broken(error, endpoint));
    }
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
  return promise;
}

function handOver(
  socket: Socket,
  rest: Buffer,
  listeners: { onData: (chunk: Buffer) => void; onEnd: () => void },
): void {
  socket.pause();
  socket.off('data', listeners.onData);
  socket.off('end', listeners.onEnd);
  if (rest.length > 0) socket.unshift(rest);
}

/** The reply's body; a slow reader pauses the socket. */
class Body extends Readable {
  readonly #socket: Socket;
  readonly #decoder: BodyDecoder;
  constructor(socket: Socket, decoder: BodyDecoder) {
    super();
    this.#socket = socket;
    this.#decoder = decoder;
    if (decoder.done) this.#finish();
  }

  feed(chunk: Buffer): void {
    if (this.destroyed) return;
    try {
      const keepReading = this.#decoder.feed(chunk, (piece) => this.push(piece));
      if (!keepReading) this.#socket.pause();
    } catch (error) {
      this.destroy(broken(error));
      return;
    }
    if (this.#decoder.done) this.#finish();
  }

  sourceEnded(): void {
    if (this.#decoder.done) return;
    if (this.#decoder.endsWithConnection) this.#finish();
    else this.destroy(broken(new Error('the reply was cut short')));
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #finish(): void {
    this.push(null);
    this.#socket.end();
    // Data after the body is nothing we asked for; reading on lets the socket see the peer's end.
    this.#socket.resume();
  }
}

interface Head {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly rest: Buffer;
}

/** Collects bytes until a whole final head is there; interim 1xx heads are skipped. */
class HeadReader {
  #held: Buffer = Buffer.alloc(0);

  feed(chunk: Buffer): Head | undefined {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      const end = this.#held.indexOf(HEAD_END);
      if (end < 0 || end > HEAD_BYTES_MAX) {
        if (this.#held.length > HEAD_BYTES_MAX) throw new Error('reply head too large');
        return undefined;
      }
      const text = this.#held.toString('latin1', 0, end);
      this.#held = this.#held.subarray(end + HEAD_END.length);
      const { status, headers } = parseHead(text);
      if (status >= 200 || status === 101) return { status, headers, rest: this.#held };
    }
  }
}

function parseHead(text: string): { status: number; headers: Map<string, string> } {
  const lines = text.split('\r\n');
  const match = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(lines[0] ?? '');
  if (match === null) throw new Error('malformed reply: the peer does not speak HTTP/1.1');
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw new Error('malformed reply header');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(match[1]), headers };
}

function send(
  socket: Socket,
  endpoint: Endpoint,
  request: Exchange,
  fail: (error: ClientError) => void,
): void {
  const { body } = request;
  const firstLine = `${request.method} ${request.target} HTTP/1.1`;
  const lines = [firstLine, `Host: ${hostText(endpoint)}`];
  lines.push('User-Agent: Coracle-Client/0.1.0');
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    lines.push(`${name}: ${value}`);
  }
  if (request.upgrade === true) lines.push('Connection: Upgrade', 'Upgrade: tcp');
  else lines.push('Connection: close');
  if (body instanceof Readable) {
    lines.push('Transfer-Encoding: chunked');
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    sendChunked(socket, body).catch((error: unknown) => fail(broken(error)));
    return;
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (bytes !== undefined || request.method !== 'GET') {
    lines.push(`Content-Length: ${bytes?.length ?? 0}`);
  }
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  socket.write(bytes === undefined ? head : Buffer.concat([head, bytes]));
}

async function sendChunked(socket: Socket, body: Readable): Promise<void> {
  for await (const piece of body) {
    const bytes = Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece));
    // The server may answer (an error, say) and close before it has read everything.
    if (bytes.length === 0 || socket.destroyed || !socket.writable) continue;
    socket.write(`${bytes.length.toString(16)}\r\n`);
    socket.write(bytes);
    if (!socket.write('\r\n')) await drained(socket);
  }
  if (socket.writable) socket.write('0\r\n\r\n');
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

function cancelled(signal: AbortSignal | undefined): ClientError {
  return new ClientError('cancelled', 'context canceled', { cause: signal?.reason });
}

/** `endpoint` where a wrong one is the likely cause. */
function broken(cause: unknown, endpoint?: Endpoint): ClientError {
  const errno = errnoOf(cause);
  const lines = [`error during connect: ${reasonOf(cause)}`];
  if (endpoint?.kind === 'tcp') {
    lines.push(
      endpoint.tls === undefined
        ? 'Are you trying to connect to a TLS-enabled daemon without TLS? See --tlsverify.'
        : 'The daemon may not accept your certificate (--tlscert, --tlskey).',
    );
  }
  return new ClientError('unavailable', lines.join('\n'), { cause, facts: { errno } });
}

/** Of what OpenSSL says, the words. */
function reasonOf(cause: unknown): string {
  if (cause instanceof Error && 'reason' in cause && typeof cause.reason === 'string') {
    return `tls: ${cause.reason}`;
  }
  return messageOf(cause);
}

/** What connect(2) and the resolver say; anything else is said by a peer that was reached. */
const UNREACHED = /^(E[A-Z]+|EAI_\w+)$/;

function unreachable(endpoint: Endpoint, cause: unknown): ClientError {
  const errno = errnoOf(cause);
  const at = endpointText(endpoint);
  if (errno !== undefined && !UNREACHED.test(errno)) {
    const lines = [`error during connect to ${at}: ${reasonOf(cause)}`];
    lines.push(
      errno === 'ERR_SSL_WRONG_VERSION_NUMBER'
        ? 'Are you trying to connect with TLS to a daemon that has none?'
        : 'Check the certificate authority of the daemon (--tlscacert) and your certificate.',
    );
    return new ClientError('unavailable', lines.join('\n'), { cause, facts: { errno } });
  }
  const message =
    errno === 'EACCES'
      ? `permission denied while trying to connect to the Coracle daemon socket at ${at}`
      : `Cannot connect to the Coracle daemon at ${at}. Is the coracle daemon running?`;
  return new ClientError('unavailable', message, { cause, facts: { errno, unreachable: true } });
}
