// Where a daemon listens, as a user writes it, and a connection to it. TLS is loaded only where it
// is asked for: it would cost every start of the command line.
import { connect, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { ClientError } from './error.ts';

/** PEM texts, as in files named ca.pem, cert.pem and key.pem. */
export type Tls = {
  /** Who vouches for the server; without it the authorities that Node trusts. */
  readonly ca?: string | Uint8Array;
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  /** False: whoever answers is taken for the server, as by docker's --tls. */
  readonly verify: boolean;
  /** The name that the server's certificate must have, where it is not the host's. */
  readonly serverName?: string;
};

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: Tls };

const PORT_PLAIN = 2375;
const PORT_TLS = 2376;

/** `unix:///run/x.sock`, `tcp://host:port`; undefined if it is none of these. */
export function parseEndpoint(text: string, tls?: Tls): Endpoint | undefined {
  const path = /^unix:\/\/(.+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: 'unix', path };
  const match = /^(?:tcp|https?):\/\/(\[[\da-fA-F:.%]+\]|[\w.-]+)(?::(\d{1,5}))?\/?$/.exec(text);
  const [, name, number] = match ?? [];
  if (name === undefined) return undefined;
  const port = Number(number ?? (tls === undefined ? PORT_PLAIN : PORT_TLS));
  if (port > 65_535) return undefined;
  const host = name.replace(/^\[|\]$/g, '');
  return { kind: 'tcp', host, port, ...(tls === undefined ? {} : { tls }) };
}

/** The way a user writes an endpoint. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.kind === 'unix' ? `unix://${endpoint.path}` : `tcp://${hostText(endpoint)}`;
}

/** For the Host header, too. */
export function hostText(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return 'localhost';
  const { host, port } = endpoint;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export type Connecting = {
  readonly socket: Socket;
  /** The event after which requests may be written. */
  readonly ready: 'connect' | 'secureConnect';
};

export function openSocket(endpoint: Endpoint): Connecting | Promise<Connecting> {
  if (endpoint.kind === 'unix') {
    return { socket: connect({ path: endpoint.path, allowHalfOpen: true }), ready: 'connect' };
  }
  const { host, port, tls } = endpoint;
  if (tls === undefined) {
    return { socket: connect({ host, port, allowHalfOpen: true }), ready: 'connect' };
  }
  return openTls(host, port, tls);
}

async function openTls(host: string, port: number, options: Tls): Promise<Connecting> {
  const { ca, cert, key, verify, serverName } = options;
  const [tls, net] = await Promise.all([import('node:tls'), import('node:net')]);
  const bytes = (pem: string | Uint8Array): string | Buffer =>
    typeof pem === 'string' ? pem : Buffer.from(pem);
  // An address is no name to ask for (RFC 6066 section 3); the certificate is compared all the
  // same.
  const servername = serverName ?? (net.isIP(host) === 0 ? host : undefined);
  const given: ConnectionOptions & { readonly allowHalfOpen: true } = {
    host,
    port,
    allowHalfOpen: true,
    minVersion: 'TLSv1.2',
    rejectUnauthorized: verify,
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca: bytes(ca) }),
    ...(cert === undefined ? {} : { cert: bytes(cert) }),
    ...(key === undefined ? {} : { key: bytes(key) }),
  };
  try {
    return { socket: tls.connect(given), ready: 'secureConnect' };
  } catch (cause) {
    // Node reads the certificates here.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ClientError('invalid_argument', `invalid TLS configuration: ${reason}`, { cause });
  }
}
