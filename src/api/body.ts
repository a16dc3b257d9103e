// Reads a JSON request body under a named limit, with Docker's rules for Content-Type.
import type { IncomingMessage } from 'node:http';
import { EngineError } from '#base/error.ts';
import { Fields } from './decode.ts';
import { parseJson } from './json.ts';

/** The largest body of JSON: a create request with 16,384 variables fits many times. */
export const JSON_BODY_BYTES_MAX = 4 * 1024 * 1024;

/** The body's fields; an absent body is an empty object. `type` names it in error texts. */
export async function readJsonBody(request: IncomingMessage, type: string): Promise<Fields> {
  checkContentType(request);
  const text = await readText(request);
  if (text === '' && !isChunked(request)) return new Fields(type, undefined);
  return new Fields(type, parseJson(text));
}

/** As above, but the body must be there. */
export async function readRequiredJson(request: IncomingMessage, type: string): Promise<Fields> {
  checkContentType(request);
  const value = parseJson(await readText(request));
  return new Fields(type, value);
}

function checkContentType(request: IncomingMessage): void {
  const header = request.headers['content-type'];
  const length = request.headers['content-length'];
  if (header === undefined && !isChunked(request) && (length === undefined || length === '0'))
    return;
  const given = header ?? '';
  const type = given.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === '') {
    throw new EngineError(
      'invalid_argument',
      `malformed Content-Type header (${given.slice(0, 100)}): mime: no media type`,
    );
  }
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+(\/[!#$%&'*+.^_`|~0-9a-z-]+)?$/.test(type)) {
    throw new EngineError(
      'invalid_argument',
      `malformed Content-Type header (${given.slice(0, 100)}): mime: expected slash after first token`,
    );
  }
  if (type !== 'application/json') {
    throw new EngineError(
      'invalid_argument',
      `unsupported Content-Type header (${given.slice(0, 100)}): must be 'application/json'`,
    );
  }
}

function isChunked(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined;
}

export async function readText(request: IncomingMessage): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > JSON_BODY_BYTES_MAX) throw tooLarge();
  const pieces: Buffer[] = [];
  let bytes = 0;
  // Not `for await`: leaving such a loop destroys the socket that still has to carry the answer.
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= JSON_BODY_BYTES_MAX) pieces.push(piece);
    else reject(tooLarge());
  });
  request.once('end', resolve);
  const vanished = () => reject(new EngineError('cancelled', 'context canceled'));
  request.once('error', vanished);
  request.once('close', vanished);
  await promise;
  const buffer = Buffer.concat(pieces);
  // The rules of JSON (RFC 8259, 8.1): UTF-8, and a byte order mark is not ours to add or need.
  return buffer.toString('utf8');
}

function tooLarge(): EngineError {
  const text = `request body is larger than ${JSON_BODY_BYTES_MAX} bytes`;
  return new EngineError('limit_exceeded', text);
}
