// Who on the host has a port: asked only when binding it failed, to name the program in the error.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { parseIp } from '#base/ip-address.ts';
import type { HostPort } from './hold.ts';

const PROCESSES_MAX = 20_000;
const TCP_LISTEN = '0A';
const ANY = /^0+$/;

export type PortOwner = { readonly pid: number; readonly program: string };

/** An address as the kernel prints it in /proc/net: 32 bit words in the machine's order. */
function kernelHex(ip: string): string {
  const { family, value } = parseIp(ip);
  const words =
    value
      .toString(16)
      .padStart(family === 4 ? 8 : 32, '0')
      .match(/.{8}/g) ?? [];
  return words
    .map((word) => Buffer.from(word, 'hex').reverse().toString('hex').toUpperCase())
    .join('');
}

/** A socket of IPv6 that is bound to every address takes IPv4 too; no other is in IPv4's way. */
function isInTheWay(wanted: string, local: string): boolean {
  if (wanted.length !== local.length) return local.length > wanted.length && ANY.test(local);
  return wanted === local || ANY.test(wanted) || ANY.test(local);
}

/** Inodes of sockets that are in the way, from the text of /proc/net/tcp and the like (proc(5)). */
export function inodesOf(text: string, wanted: HostPort): readonly string[] {
  const port = wanted.hostPort.toString(16).toUpperCase().padStart(4, '0');
  const address = kernelHex(wanted.hostIp);
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
    const [ip = '', at = ''] = local.split(':');
    if (at !== port || (wanted.protocol === 'tcp' && state !== TCP_LISTEN)) return [];
    return isInTheWay(address, ip) && inode !== '0' ? [inode] : [];
  });
}

async function readOr(path: string, fallback: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return fallback; // a process that ended, or a kernel without the file
  }
}

async function listOr(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch {
    return [];
  }
}

async function holds(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  for (const fd of await listOr(`/proc/${pid}/fd`)) {
    try {
      if (sockets.has(await readlink(`/proc/${pid}/fd/${fd}`))) return true;
    } catch {
      // closed meanwhile
    }
  }
  return false;
}

/**
 * In the network namespace of a process. Undefined when nobody is found: a socket of another pid
 * namespace, or one just closed.
 */
export async function findOwner(
  wanted: HostPort,
  namespaceOf: number,
): Promise<PortOwner | undefined> {
  if (wanted.protocol === 'sctp') return undefined;
  const texts = await Promise.all(
    // A socket of IPv6 that takes IPv4 too stands in the other file.
    [wanted.protocol, `${wanted.protocol}6`].map((name) =>
      readOr(`/proc/${namespaceOf}/net/${name}`, ''),
    ),
  );
  const inodes = texts.flatMap((text) => inodesOf(text, wanted));
  const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return undefined;
  const pids = (await listOr('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of pids.slice(0, PROCESSES_MAX)) {
    if (!(await holds(pid, sockets))) continue;
    const program = (await readOr(`/proc/${pid}/comm`, '')).trim();
    return { pid: Number(pid), program };
  }
  return undefined;
}
