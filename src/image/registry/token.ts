// Requests to a token server and its answers (distribution's "Token Authentication" and "OAuth2
// Token Authentication" specifications). No I/O.
import { EngineError } from '#base/error.ts';
import { basic } from './basic.ts';
import type { Challenge } from './challenge.ts';
import type { Ask } from './http.ts';
import type { RegistryAuth } from './registry.ts';

/** The client's name, which token servers log; those of Docker know dockerd's. */
const CLIENT_ID = 'docker';
/** What a server means that says nothing, and the least that is believed. */
const EXPIRES_SECONDS_MIN = 60;
const EXPIRES_SECONDS_MAX = 24 * 3600;

export type Token = {
  readonly value: string;
  readonly expiresAtMs: number;
  /** To be used in place of a password later; '' if the server gives none. */
  readonly refresh: string;
};

/** Where tokens come from. A registry with TLS must not send passwords to a server without. */
export function realmOf(challenge: Challenge, origin: string): URL {
  const realm = challenge.parameters.get('realm') ?? '';
  const refuse = (why: string) =>
    new EngineError('unauthorized', `registry ${origin} names no usable token server: ${why}`, {
      facts: { origin },
    });
  if (!URL.canParse(realm)) throw refuse(`realm ${JSON.stringify(realm.slice(0, 200))} is no URL`);
  const url = new URL(realm);
  if (!/^https?:$/.test(url.protocol)) throw refuse(`scheme ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw refuse('a user name in its URL');
  if (origin.startsWith('https:') && url.protocol === 'http:') {
    throw refuse(`it is at http://${url.host}, without TLS`);
  }
  return url;
}

export function tokenRequest(wish: {
  readonly realm: URL;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly auth: RegistryAuth | undefined;
  readonly offline: boolean;
}): Pick<Ask, 'method' | 'url' | 'headers' | 'body'> {
  const { realm, service, scopes, auth, offline } = wish;
  if (auth !== undefined && auth.identityToken !== '') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      client_id: CLIENT_ID,
      scope: scopes.join(' '),
      refresh_token: auth.identityToken,
    });
    return {
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(form.toString()),
    };
  }
  const url = new URL(realm);
  if (service !== '') url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const known = auth !== undefined && auth.username !== '';
  if (known) url.searchParams.set('account', auth.username);
  if (offline) {
    url.searchParams.set('offline_token', 'true');
    url.searchParams.set('client_id', CLIENT_ID);
  }
  return { method: 'GET', url, headers: known ? { authorization: basic(auth) } : {} };
}

export function parseToken(body: Uint8Array, nowMs: number): Token {
  const bad = (why: string) =>
    new EngineError('unauthorized', `the token server's answer is wrong: ${why}`);
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw bad('it is not JSON');
  }
  if (typeof raw !== 'object' || raw === null) throw bad('it is no object');
  const fields = new Map<string, unknown>(Object.entries(raw));
  const value = fields.get('token') || fields.get('access_token');
  // It becomes part of a header.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw bad('it has no token');
  const refresh = fields.get('refresh_token');
  return {
    value,
    expiresAtMs: nowMs + secondsOf(fields.get('expires_in')) * 1000,
    refresh: typeof refresh === 'string' ? refresh : '',
  };
}

/** From now, whatever `issued_at` says: clocks differ. */
function secondsOf(value: unknown): number {
  const seconds = typeof value === 'number' && Number.isFinite(value) ? value : 0;
  return Math.min(Math.max(seconds, EXPIRES_SECONDS_MIN), EXPIRES_SECONDS_MAX);
}
