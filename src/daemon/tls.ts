// TLS of a TCP listener, by dockerd's flags: --tls serves with a certificate, --tlsverify wants one
// of the client too. Without either a listener is open to everybody who reaches it: only on
// loopback, or where --tls=false says that this is meant.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { EngineError, messageOf } from '#base/error.ts';

export type TlsConfig = {
  /** undefined: nothing was said. */
  readonly mode: 'verify' | 'server' | 'off' | undefined;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

/** Where docker keeps its certificates when nothing else is said. */
function defaultFile(name: string): string {
  return join(process.env['DOCKER_CERT_PATH'] || join(homedir(), '.docker'), name);
}

export function parseTls(values: ReadonlyMap<string, unknown>): TlsConfig {
  const file = (key: string, name: string): string => String(values.get(key) || defaultFile(name));
  const verify = values.get('tlsverify');
  const tls = values.get('tls');
  // As dockerd: naming a file, or asking for verification, asks for TLS.
  const named = ['tlscacert', 'tlscert', 'tlskey'].some((key) => values.has(key));
  const on = tls === true || verify !== undefined || (named && tls === undefined);
  const mode =
    verify === true ? 'verify' : on && tls !== false ? 'server' : tls === false ? 'off' : undefined;
  return {
    mode,
    ca: file('tlscacert', 'ca.pem'),
    cert: file('tlscert', 'cert.pem'),
    key: file('tlskey', 'key.pem'),
  };
}

/** Reads the files, and checks that they belong together; undefined without TLS. */
export function readTls(config: TlsConfig): TlsOptions | undefined {
  if (config.mode === undefined || config.mode === 'off') return undefined;
  const wrong = (what: string, error: unknown): EngineError =>
    new EngineError('invalid_argument', `invalid TLS configuration: ${what}: ${messageOf(error)}`, {
      cause: error,
    });
  let pair: Pick<TlsOptions, 'cert' | 'key'>;
  try {
    pair = { cert: readFileSync(config.cert), key: readFileSync(config.key) };
    createSecureContext(pair);
  } catch (error) {
    throw wrong('could not load X509 key pair, make sure the key is not encrypted', error);
  }
  const options: TlsOptions = { ...pair, minVersion: 'TLSv1.2' };
  if (config.mode === 'server') return options;
  try {
    return {
      ...options,
      ca: readFileSync(config.ca),
      requestCert: true,
      rejectUnauthorized: true,
    };
  } catch (error) {
    throw wrong(`could not read CA certificate ${JSON.stringify(config.ca)}`, error);
  }
}
