// Where the daemon listens: unix sockets by path, and those that systemd hands over
// (sd_listen_fds(3)).
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { EngineError, errnoOf } from '#base/error.ts';
import type { TlsConfig } from './tls.ts';

export type Address =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

const LISTEN_FDS_START = 3;
const SOCKET_MODE = 0o660;
const SUN_PATH_MAX = 107;
const GROUPS = ['docker', 'coracle'];

/** systemd's sockets take the place of `fd://`, or of the fallback when no host was named. */
export function parseHosts(
  hosts: readonly string[] | undefined,
  handed: readonly number[],
  fallback: string,
): readonly Address[] {
  if (hosts === undefined && handed.length > 0) return handed.map((fd) => ({ kind: 'fd', fd }));
  return (hosts ?? [fallback]).flatMap((host): Address[] => {
    if (host === 'fd://' || host === 'fd') {
      if (handed.length === 0) {
        throw new EngineError('invalid_argument', 'no sockets found via socket activation');
      }
      return handed.map((fd) => ({ kind: 'fd', fd }));
    }
    if (host.startsWith('unix://')) return [{ kind: 'path', path: pathOf(host) }];
    if (host.startsWith('tcp://')) return [parseTcp(host)];
    throw new EngineError(
      'invalid_argument',
      `cannot listen on ${host}: unix://PATH, tcp://HOST:PORT and fd:// are served`,
    );
  });
}

function parseTcp(text: string): Address {
  const match = /^tcp:\/\/(?:\[([0-9a-fA-F:]+)\]|([^:/[\]]*)):(\d{1,5})\/?$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new EngineError('invalid_argument', `invalid bind address (${text}): no HOST:PORT`);
  }
  return { kind: 'tcp', host: match[1] ?? (match[2] || '127.0.0.1'), port };
}

/**
 * Who reaches an open listener is root on this host: so it is on loopback, or verifies, or somebody
 * has said that this is meant.
 */
export function checkReach(addresses: readonly Address[], tls: TlsConfig): void {
  for (const address of addresses) {
    if (address.kind !== 'tcp' || isLoopback(address.host)) continue;
    if (tls.mode === 'verify' || tls.mode === 'off') continue;
    throw new EngineError(
      'invalid_argument',
      `tcp://${address.host}:${address.port} would give everybody who reaches it root on this ` +
        'host: use --tlsverify, or say --tls=false if that is meant',
    );
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function pathOf(host: string): string {
  const path = host.slice('unix://'.length);
  if (!path.startsWith('/')) {
    throw new EngineError('invalid_argument', `the path of ${host} is not absolute`);
  }
  if (Buffer.byteLength(path) > SUN_PATH_MAX) {
    throw new EngineError(
      'invalid_argument',
      `the socket path ${path} is longer than the ${SUN_PATH_MAX} bytes that the kernel takes`,
    );
  }
  return path;
}

/** The descriptors that systemd opened for this process; their variables are taken away. */
export function takeHandedSockets(env: NodeJS.ProcessEnv, pid: number): readonly number[] {
  const { LISTEN_PID, LISTEN_FDS } = env;
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (LISTEN_PID !== String(pid) || !/^\d{1,3}$/.test(LISTEN_FDS ?? '')) return [];
  return Array.from({ length: Number(LISTEN_FDS) }, (_, index) => LISTEN_FDS_START + index);
}

/** Makes the directory, and takes away a socket that nobody listens on any more. */
export async function prepareSocket(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (!existsSync(path)) return;
  if (!statSync(path).isSocket()) {
    throw new EngineError('conflict', `cannot listen on ${path}: a file is in the way`);
  }
  if (await answers(path)) {
    throw new EngineError('conflict', `cannot listen on ${path}: another process does`);
  }
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => {
    socket.destroy();
    resolve(true);
  });
  socket.on('error', (error) => {
    if (errnoOf(error) === 'ECONNREFUSED' || errnoOf(error) === 'ENOENT') resolve(false);
    else reject(error);
  });
  return promise;
}

/** 0660 and the group; a group that is named must exist, the default ones may. */
export function openToGroup(path: string, group: string | undefined): void {
  const id = groupId(group);
  if (id !== undefined) chownSync(path, process.getuid?.() ?? 0, id);
  chmodSync(path, SOCKET_MODE);
}

function groupId(group: string | undefined): number | undefined {
  if (group !== undefined && /^\d+$/.test(group)) return Number(group);
  const ids = new Map<string, number>();
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name = '', , id = ''] = line.split(':');
    if (!ids.has(name)) ids.set(name, Number(id));
  }
  if (group !== undefined && group !== '' && !ids.has(group)) {
    throw new EngineError('invalid_argument', `group ${group} not found`);
  }
  const wanted = group === undefined || group === '' ? GROUPS : [group];
  return wanted.map((name) => ids.get(name)).find((id) => id !== undefined);
}
