// Credentials for registries: the X-Registry-Auth header of the image endpoints, and POST /auth.
import type { IncomingMessage } from 'node:http';
import { EngineError } from '#base/error.ts';
import type { RegistryAuth } from '#image/registry/registry.ts';
import type { AuthReply } from '#wire/image.ts';
import { readText } from '../body.ts';
import { Fields } from '../decode.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { parseJson } from '../json.ts';
import { askRegistry } from '../status.ts';

/** Node takes 16 KiB of headers; a bearer token of some clouds is 4 KiB. */
const AUTH_LENGTH_MAX = 64 * 1024;

/**
 * base64url of JSON, or the usual base64. dockerd ignores what it cannot read, and the registry
 * then says what is missing.
 */
export function registryAuth(request: IncomingMessage): RegistryAuth | undefined {
  const header = request.headers['x-registry-auth'];
  if (typeof header !== 'string' || header === '' || header.length > AUTH_LENGTH_MAX) {
    return undefined;
  }
  try {
    return parseAuth(new Fields('AuthConfig', parseJson(Buffer.from(header, 'base64').toString())));
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

/** Of old, the credentials of a push were its body. */
export async function pushAuth(request: IncomingMessage): Promise<RegistryAuth | undefined> {
  if (request.headers['x-registry-auth'] !== undefined) return registryAuth(request);
  const text = await readText(request);
  return text.trim() === '' ? undefined : parseAuth(new Fields('AuthConfig', parseJson(text)));
}

export function parseAuth(fields: Fields): RegistryAuth {
  const text = fields.string('auth');
  const decoded = text === '' ? '' : Buffer.from(text, 'base64').toString();
  const colon = decoded.indexOf(':');
  const [name, secret] = colon < 0 ? ['', ''] : [decoded.slice(0, colon), decoded.slice(colon + 1)];
  return {
    username: fields.string('username') || name,
    password: fields.string('password') || secret,
    identityToken: fields.string('identitytoken'),
    registryToken: fields.string('registrytoken'),
    serverAddress: fields.string('serveraddress'),
  };
}

/** POST /auth: `docker login`. */
export async function checkAuth(exchange: Exchange): Promise<void> {
  const { deps, request, signal } = exchange;
  const auth = parseAuth(new Fields('AuthConfig', parseJson(await readText(request))));
  const { identityToken } = await askRegistry(() => deps.images.login(auth, { signal }));
  const reply: AuthReply = { IdentityToken: identityToken, Status: 'Login Succeeded' };
  sendJson(exchange, 200, reply);
}
