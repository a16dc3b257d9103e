// Which engine a program means that says nothing: Docker's variables, after our own.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '#base/error.ts';
import type { Tls } from './endpoint.ts';
import { ClientError } from './error.ts';

export const SOCKET_DEFAULT = '/run/coracle/coracle.sock';

type Environment = Readonly<Record<string, string | undefined>>;

export function environmentHost(env: Environment): string {
  return env['CORACLE_HOST'] || env['DOCKER_HOST'] || `unix://${SOCKET_DEFAULT}`;
}

export type TlsFiles = { readonly ca: string; readonly cert: string; readonly key: string };

/** Where docker keeps its certificates when nothing else is said. */
export function defaultTlsFiles(env: Environment): TlsFiles {
  const folder = env['DOCKER_CERT_PATH'] || env['DOCKER_CONFIG'] || join(homedir(), '.docker');
  const file = (name: string): string => join(folder, name);
  return { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') };
}

/** undefined where the environment does not ask for TLS. */
export function environmentTls(env: Environment): Tls | undefined {
  if (!env['DOCKER_TLS_VERIFY']) return undefined;
  return readTls(defaultTlsFiles(env), true, new Set());
}

/**
 * Reads the files. A certificate is not needed where the server asks for none, so a file that is
 * missing is an error only if it was named.
 */
export function readTls(files: TlsFiles, verify: boolean, named: ReadonlySet<keyof TlsFiles>): Tls {
  const read = (kind: keyof TlsFiles): { [K in keyof TlsFiles]?: Buffer } => {
    try {
      return { [kind]: readFileSync(files[kind]) };
    } catch (cause) {
      const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
      if (missing && !named.has(kind)) return {};
      const reason = `could not read ${files[kind]}: ${messageOf(cause)}`;
      throw new ClientError('invalid_argument', `invalid TLS configuration: ${reason}`, { cause });
    }
  };
  return { verify, ...read('ca'), ...read('cert'), ...read('key') };
}
