// Why a connection failed, as Go's net and crypto packages word it: those are the texts that users
// of dockerd know and search for. What is here is decided by error codes, never by messages.
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { type Retry, TransferError } from './retry.ts';
import { shownUrl } from './url.ts';

type Reason = { readonly text: string; readonly retry: Retry };

const X509 = 'tls: failed to verify certificate: x509:';
const UNKNOWN_AUTHORITY = `${X509} certificate signed by unknown authority`;
const PLAIN_ANSWER = 'http: server gave HTTP response to HTTPS client';
const BAD_CERTIFICATE = 'remote error: tls: bad certificate';

/** Codes of Node, OpenSSL and undici. `dial` puts the address before the text. */
const REASONS: Readonly<Record<string, Reason & { readonly dial?: true }>> = {
  ECONNREFUSED: { text: 'connect: connection refused', retry: 'reached', dial: true },
  EHOSTUNREACH: { text: 'connect: no route to host', retry: 'reached', dial: true },
  ENETUNREACH: { text: 'connect: network is unreachable', retry: 'reached', dial: true },
  ENOTFOUND: { text: 'no such host', retry: 'reached', dial: true },
  EAI_AGAIN: { text: 'temporary failure in name resolution', retry: 'reached', dial: true },
  ETIMEDOUT: { text: 'i/o timeout', retry: 'reached', dial: true },
  UND_ERR_CONNECT_TIMEOUT: { text: 'i/o timeout', retry: 'reached', dial: true },
  UND_ERR_HEADERS_TIMEOUT: { text: 'net/http: timeout awaiting response headers', retry: 'always' },
  UND_ERR_BODY_TIMEOUT: { text: 'no data came for too long', retry: 'always' },
  UND_ERR_SOCKET: { text: 'unexpected EOF', retry: 'always' },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: { text: 'unexpected EOF', retry: 'always' },
  UND_ERR_PRX_TLS: { text: 'proxyconnect: connection failed', retry: 'reached' },
  ECONNRESET: { text: 'read: connection reset by peer', retry: 'always' },
  EPIPE: { text: 'write: broken pipe', retry: 'always' },
  DEPTH_ZERO_SELF_SIGNED_CERT: { text: UNKNOWN_AUTHORITY, retry: 'never' },
  SELF_SIGNED_CERT_IN_CHAIN: { text: UNKNOWN_AUTHORITY, retry: 'never' },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { text: UNKNOWN_AUTHORITY, retry: 'never' },
  UNABLE_TO_GET_ISSUER_CERT: { text: UNKNOWN_AUTHORITY, retry: 'never' },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { text: UNKNOWN_AUTHORITY, retry: 'never' },
  CERT_HAS_EXPIRED: {
    text: `${X509} certificate has expired or is not yet valid`,
    retry: 'never',
  },
  CERT_NOT_YET_VALID: {
    text: `${X509} certificate has expired or is not yet valid`,
    retry: 'never',
  },
  ERR_SSL_WRONG_VERSION_NUMBER: { text: PLAIN_ANSWER, retry: 'never' },
  ERR_SSL_PACKET_LENGTH_TOO_LONG: { text: PLAIN_ANSWER, retry: 'never' },
  ERR_SSL_HTTP_REQUEST: { text: PLAIN_ANSWER, retry: 'never' },
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: {
    text: 'remote error: tls: certificate required',
    retry: 'never',
  },
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: {
    text: 'remote error: tls: unknown certificate authority',
    retry: 'never',
  },
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: { text: BAD_CERTIFICATE, retry: 'never' },
};

/** "Get", as Go writes the method of a failed request. */
const wordOf = (method: string) => method.charAt(0) + method.slice(1).toLowerCase();

export const failedRequest = (method: string, url: URL, why: string): string =>
  `${wordOf(method)} ${JSON.stringify(shownUrl(url))}: ${why}`;

/** The error of a request whose connection or answer failed. */
export function requestFailure(thrown: unknown, method: string, url: URL): EngineError {
  if (thrown instanceof EngineError) return thrown;
  const error = innermost(thrown);
  const code = errnoOf(error) ?? '';
  const { text, retry } = reasonOf(error, code, url);
  return new TransferError('unavailable', failedRequest(method, url, text), {
    retry,
    cause: thrown,
    facts: { url: shownUrl(url), errno: code },
  });
}

function reasonOf(error: unknown, code: string, url: URL): Reason {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    return { text: `${X509} certificate is not valid for ${host}`, retry: 'never' };
  }
  const known = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  if (known !== undefined) {
    return known.dial === true ? { ...known, text: dialWords(error, known.text, url) } : known;
  }
  if (code.startsWith('HPE_')) return { text: 'malformed HTTP response', retry: 'always' };
  if (code.startsWith('ERR_SSL_')) return { text: `tls: ${messageOf(error)}`, retry: 'never' };
  return { text: messageOf(error), retry: 'reached' };
}

function dialWords(error: unknown, text: string, url: URL): string {
  const code = errnoOf(error);
  const host = url.hostname;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${host}: ${text}`;
  const { address } = error as { address?: unknown };
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const where = typeof address === 'string' ? address : host;
  const shown = where.includes(':') && !where.startsWith('[') ? `[${where}]` : where;
  return `dial tcp ${shown}:${port}: ${text}`;
}

/** Several addresses fail as one AggregateError; the last attempt is told, as Go does. */
function innermost(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.at(-1);
  if (!(error instanceof Error)) return error;
  const code = errnoOf(error);
  const wrapped = code === undefined || code === 'UND_ERR_PRX_TLS';
  return wrapped && error.cause !== undefined ? innermost(error.cause) : error;
}
