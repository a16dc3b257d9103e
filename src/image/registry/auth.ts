// Which Authorization a request carries: Basic, or a token of the server that the registry names
// (Docker's "token authentication", OAuth 2). Secrets are in memory only and in no message.
import { createHash } from 'node:crypto';
import { EngineError } from '#base/error.ts';
import { basic } from './basic.ts';
import type { Challenge } from './challenge.ts';
import { ERROR_BYTES_MAX, refusalError } from './error-body.ts';
import { type Answer, fieldOf, type Http, readBody, readSome } from './http.ts';
import type { RegistryAction, RegistryAuth } from './registry.ts';
import { retryAfterMs } from './retry.ts';
import { parseToken, realmOf, type Token, tokenRequest } from './token.ts';

/** Tokens that are kept: one is for a repository, an action and a user. */
const TOKENS_MAX = 1000;
const TOKEN_BYTES_MAX = 256 * 1024;
/** A token is fetched anew so long before it ends. */
const TOKEN_MARGIN_MS = 10_000;

/** What is done, and as whom. */
export type Access = {
  readonly action: RegistryAction;
  readonly scopes: readonly string[];
  readonly auth: RegistryAuth | undefined;
};

export class Authorizer {
  readonly #http: Http;
  readonly #tokens = new Map<string, Token>();

  constructor(http: Http) {
    this.#http = http;
  }

  /** The field's value, or undefined where the registry asks for nothing that we have. */
  async authorization(
    site: { readonly origin: string; readonly challenges: readonly Challenge[] },
    access: Access,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { auth } = access;
    if (auth !== undefined && auth.registryToken !== '') return `Bearer ${auth.registryToken}`;
    const bearer = site.challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      const token = await this.token({ origin: site.origin, challenge: bearer, access, signal });
      return `Bearer ${token.value}`;
    }
    if (!site.challenges.some(({ scheme }) => scheme === 'basic')) return undefined;
    if (auth === undefined || auth.username === '') {
      throw new EngineError('unauthorized', 'no basic auth credentials');
    }
    return basic(auth);
  }

  /** A kept token that is still good, or a new one. */
  async token(wish: {
    readonly origin: string;
    readonly challenge: Challenge;
    readonly access: Access;
    readonly signal: AbortSignal;
    /** Of a login: the server should give a token that lasts. */
    readonly offline?: boolean;
  }): Promise<Token> {
    const { access, challenge, signal, offline = false } = wish;
    const realm = realmOf(challenge, wish.origin);
    const service = challenge.parameters.get('service') ?? '';
    const key = keyOf([realm.href, service, ...access.scopes.toSorted()], access.auth);
    const kept = this.#tokens.get(key);
    if (kept !== undefined && !offline && kept.expiresAtMs - TOKEN_MARGIN_MS > Date.now()) {
      return kept;
    }
    const request = tokenRequest({ realm, service, ...access, offline });
    const home = new URL(wish.origin).host;
    const answer = await this.#http.ask({ ...request, home, signal });
    if (answer.status !== 200) throw await refusedToken(answer);
    const body = await readBody(answer, { what: 'token', max: TOKEN_BYTES_MAX, signal });
    const token = parseToken(body, Date.now());
    if (this.#tokens.size >= TOKENS_MAX) this.#tokens.clear();
    this.#tokens.set(key, token);
    return token;
  }

  /** The registry did not take it: whatever is kept for this access is fetched anew. */
  forget(
    site: { readonly origin: string; readonly challenges: readonly Challenge[] },
    access: Access,
  ): void {
    for (const challenge of site.challenges) {
      if (challenge.scheme !== 'bearer') continue;
      const service = challenge.parameters.get('service') ?? '';
      const realm = realmOf(challenge, site.origin);
      const parts = [realm.href, service, ...access.scopes.toSorted()];
      this.#tokens.delete(keyOf(parts, access.auth));
    }
  }
}

async function refusedToken(answer: Answer): Promise<EngineError> {
  const { status } = answer;
  const afterMs = retryAfterMs(fieldOf(answer, 'retry-after'), Date.now());
  return refusalError({ status, body: await readSome(answer, ERROR_BYTES_MAX) }, afterMs);
}

/** Tokens of different users are never exchanged; the secret itself is not kept as a key. */
function keyOf(parts: readonly string[], auth: RegistryAuth | undefined): string {
  const whom = [auth?.username, auth?.password, auth?.identityToken];
  return createHash('sha256')
    .update(JSON.stringify([...parts, '', ...whom]))
    .digest('hex');
}
