// `docker login`: whether the registry takes these credentials.
import { STATUS_CODES } from '#base/http.ts';
import { EngineError } from '#base/error.ts';
import type { Access } from './auth.ts';
import { domainOfServer, upstreamOf } from './endpoint.ts';
import { failedRequest } from './failure.ts';
import { discard } from './http.ts';
import type { Reader } from './reader.ts';
import type { RegistryAuth, TransferOptions } from './registry.ts';
import type { Site } from './sites.ts';
import { pingUrl } from './url.ts';

export async function login(
  reader: Reader,
  auth: RegistryAuth,
  { signal }: TransferOptions,
): Promise<{ readonly identityToken: string }> {
  const domain = domainOfServer(auth.serverAddress);
  const site = await reader.sites.reach(upstreamOf(domain, reader.config.insecure), signal);
  const access: Access = { action: 'pull', scopes: [], auth };
  const identityToken = await newToken(reader, site, access, signal);
  const url = pingUrl(site.origin);
  const answer = await reader.sites.ask(site, access, { method: 'GET', url, signal });
  await discard(answer);
  const { status } = answer;
  if (status === 200) return { identityToken };
  throw new EngineError(
    status === 401 || status === 403 ? 'unauthorized' : 'unavailable',
    `login attempt to ${url.href} failed with status: ${status} ${STATUS_CODES[status] ?? ''}`,
    { facts: { status } },
  );
}

/** Asks for a token although one may be kept: the credentials are what is tried. */
async function newToken(
  reader: Reader,
  site: Site,
  access: Access,
  signal: AbortSignal,
): Promise<string> {
  const { origin } = site;
  const challenge = site.challenges.find(({ scheme }) => scheme === 'bearer');
  if (challenge === undefined) return '';
  try {
    const { authorizer } = reader.sites;
    const token = await authorizer.token({ origin, challenge, access, signal, offline: true });
    return token.refresh === '' ? (access.auth?.identityToken ?? '') : token.refresh;
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'unauthorized') throw error;
    throw new EngineError('unauthorized', failedRequest('GET', pingUrl(origin), error.message), {
      cause: error,
      facts: error.facts,
    });
  }
}
