// What a registry says when it refuses, in the words in which dockerd hands it on: its clients and
// people's scripts know "manifest unknown: manifest unknown".
import { STATUS_CODES } from '#base/http.ts';
import type { ErrorCode } from '#base/error.ts';
import { parseChallenges } from './challenge.ts';
import { isPassing, TransferError } from './retry.ts';

/** As much of an error's body is read. */
export const ERROR_BYTES_MAX = 64 * 1024;
/** A message of a stranger in our answer. */
const MESSAGE_LENGTH_MAX = 2048;
const ERRORS_SHOWN_MAX = 10;

export type RegistryError = { readonly code: string; readonly message: string };

export type Refusal = {
  readonly status: number;
  readonly body: Uint8Array;
  readonly authenticate?: string | readonly string[] | undefined;
};

/** What errors of these statuses mean where a body does not say: HEAD has none. */
const DEFAULTS: Readonly<Record<number, RegistryError>> = {
  401: { code: 'UNAUTHORIZED', message: 'authentication required' },
  403: { code: 'DENIED', message: 'requested access to the resource is denied' },
  429: { code: 'TOOMANYREQUESTS', message: 'too many requests' },
};

const CODES: Readonly<Record<string, ErrorCode>> = {
  UNAUTHORIZED: 'unauthorized',
  DENIED: 'forbidden',
  MANIFEST_UNKNOWN: 'not_found',
  NAME_UNKNOWN: 'not_found',
  BLOB_UNKNOWN: 'not_found',
  TOOMANYREQUESTS: 'unavailable',
  UNAVAILABLE: 'unavailable',
};

/** The registry's `errors`, or what the status means; empty for what only the status tells. */
export function registryErrors({ status, body, authenticate }: Refusal): readonly RegistryError[] {
  const fromHeader = status < 500 ? oauthErrors(authenticate) : [];
  const found = [...fromHeader, ...bodyErrors(status, body)];
  if (found.length > 0) return found.slice(0, ERRORS_SHOWN_MAX);
  const known = DEFAULTS[status];
  return known === undefined ? [] : [known];
}

/** RFC 6750, section 3.1: how a registry says that a token does not do. */
function oauthErrors(fields: string | readonly string[] | undefined): readonly RegistryError[] {
  return parseChallenges(fields).flatMap(({ scheme, parameters }) => {
    const error = scheme === 'bearer' ? parameters.get('error') : undefined;
    const known = error === 'invalid_token' ? 401 : error === 'insufficient_scope' ? 403 : 0;
    const found = DEFAULTS[known];
    if (found === undefined) return [];
    const message = parameters.get('error_description');
    return [message === undefined ? found : { ...found, message: clean(message) }];
  });
}

function bodyErrors(status: number, body: Uint8Array): readonly RegistryError[] {
  const raw = jsonOf(body);
  if (raw === undefined) return [];
  if ('errors' in raw && Array.isArray(raw.errors)) {
    return raw.errors.flatMap((item: unknown) => {
      if (typeof item !== 'object' || item === null || !('code' in item)) return [];
      const message = 'message' in item ? item.message : '';
      return [{ code: clean(item.code), message: clean(message) }];
    });
  }
  // OAuth 2 (RFC 6749, section 5.2).
  if ('error' in raw && typeof raw.error === 'string' && status < 500) {
    const told = 'error_description' in raw ? clean(raw.error_description) : '';
    return [{ code: 'UNAUTHORIZED', message: told === '' ? clean(raw.error) : told }];
  }
  // Docker Hub's token server has its own form.
  if ('details' in raw && typeof raw.details === 'string' && raw.details !== '') {
    return [{ code: DEFAULTS[status]?.code ?? 'UNKNOWN', message: clean(raw.details) }];
  }
  return [];
}

function jsonOf(body: Uint8Array): object | undefined {
  try {
    const raw: unknown = JSON.parse(new TextDecoder().decode(body.subarray(0, ERROR_BYTES_MAX)));
    return typeof raw === 'object' && raw !== null ? raw : undefined;
  } catch {
    return undefined;
  }
}

function clean(text: unknown): string {
  const whole = typeof text === 'string' ? text : '';
  return whole.slice(0, MESSAGE_LENGTH_MAX).replace(/[\x00-\x1f\x7f]+/g, ' ');
}

/** "manifest unknown: manifest unknown"; several are a list, as dockerd prints it. */
export function wordsOf(errors: readonly RegistryError[]): string {
  const words = errors.map(({ code, message }) => {
    const name = code.toLowerCase().replaceAll('_', ' ');
    return message === '' ? name : `${name}: ${message}`;
  });
  return words.length === 1 ? (words[0] ?? '') : `errors:\n${words.join('\n')}\n`;
}

/** The error that a refused request becomes, before anybody says what was asked for. */
export function refusalError(refusal: Refusal, afterMs?: number): TransferError {
  const { status } = refusal;
  const errors = status >= 500 ? [] : registryErrors(refusal);
  const first = errors[0];
  const retry = isPassing(status) ? 'always' : 'never';
  const facts = { status, registryCode: first?.code };
  if (first !== undefined) {
    // That something is forbidden says it all; dockerd leaves out what else comes with it.
    const told = first.code === 'DENIED' || first.code === 'UNAUTHORIZED' ? [first] : errors;
    const code = CODES[first.code] ?? (status === 404 ? 'not_found' : 'invalid_argument');
    return new TransferError(code, wordsOf(told), { retry, afterMs, facts });
  }
  const text = `received unexpected HTTP status: ${status} ${STATUS_CODES[status] ?? ''}`.trim();
  const code = status === 404 ? 'not_found' : 'unavailable';
  return new TransferError(code, text, { retry, afterMs, facts });
}

/** What dockerd makes of a refused pull: `name` has no tag, `reference` what was asked for. */
export function pullError(
  error: TransferError,
  asked: { readonly name: string; readonly reference: string },
): TransferError {
  const found = pullWords(error.facts['registryCode'], asked);
  if (found === undefined) return error;
  const { retry, afterMs, facts } = error;
  // dockerd answers 404 for denied too: nobody should learn which repositories there are.
  return new TransferError('not_found', `${found}: ${error.message}`, { retry, afterMs, facts });
}

function pullWords(
  code: unknown,
  { name, reference }: { readonly name: string; readonly reference: string },
): string | undefined {
  const login = "repository does not exist or may require 'docker login'";
  switch (code) {
    case 'DENIED':
      return `pull access denied for ${name}, ${login}`;
    case 'MANIFEST_UNKNOWN':
      return `manifest for ${reference} not found`;
    case 'NAME_UNKNOWN':
      return `repository ${name} not found`;
    default:
      return undefined;
  }
}
