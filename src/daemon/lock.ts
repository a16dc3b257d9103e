// One daemon per data root, exec root and cgroup parent: a second one would sweep what it does not
// know, and end the containers of the first. Node has no flock(2); the kernel's names of abstract
// unix sockets are as good: binding is atomic, and the name is free the moment its owner dies,
// however it dies (unix(7)). Abstract names belong to a network namespace, so a file with the
// owner's pid and start time tells of an owner in another one.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, errnoOf } from '#base/error.ts';

const LOCK_FILE = 'daemon.lock';
/** The group of a socket below it may come to it, and see nothing. */
const EXEC_ROOT_MODE = 0o711;

export async function lockDataRoot(path: string): Promise<AsyncDisposable> {
  refuseDockerd(path);
  await mkdir(path, { recursive: true, mode: 0o710 });
  return lock('data-root', path);
}

export async function lockExecRoot(path: string): Promise<AsyncDisposable> {
  await mkdir(path, { recursive: true, mode: EXEC_ROOT_MODE });
  return lock('exec-root', path);
}

/** By its name: daemons in other network namespaces are told apart by their roots alone. */
export async function lockCgroupParent(parent: string): Promise<AsyncDisposable> {
  const digest = createHash('sha256').update(parent).digest('hex');
  const server = await bind(`cgroup-parent-${digest}`);
  if (server === undefined) throw taken('cgroup-parent', parent, undefined);
  return { [Symbol.asyncDispose]: async () => void server.close() };
}

type Kind = 'data-root' | 'exec-root' | 'cgroup-parent';

async function lock(kind: Kind, root: string): Promise<AsyncDisposable> {
  const { dev, ino } = statSync(root, { bigint: true });
  const server = await bind(`${kind}-${dev}-${ino}`);
  if (server === undefined) throw taken(kind, root, undefined);
  const path = join(root, LOCK_FILE);
  const owner = await readOwner(path);
  if (owner !== undefined) {
    server.close();
    throw taken(kind, root, owner);
  }
  await writeFileAtomic(path, `${process.pid} ${startTimeOf(process.pid)}\n`, { durable: false });
  return {
    [Symbol.asyncDispose]: async () => {
      await rm(path, { force: true });
      server.close();
    },
  };
}

/** undefined when another process has the name. */
async function bind(name: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (error) => reject(error));
  server.listen(`\0coracle-${name}`, resolve);
  try {
    await promise;
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') return undefined;
    throw error;
  }
  server.unref();
  return server;
}

/** Every dockerd since 1.9 has made it. */
const DOCKERD_FILE = 'network/files/local-kv.db';

/** A daemon.json that was moved here may name it; each engine would sweep what the other has. */
function refuseDockerd(dataRoot: string): void {
  if (!existsSync(join(dataRoot, DOCKERD_FILE))) return;
  const why = `${dataRoot} is a data root of dockerd (it has ${DOCKERD_FILE})`;
  const what = 'name another one, and bring images over by docker save and coracle load';
  throw new EngineError('conflict', `${why}: ${what}`);
}

/** The pid in the file, if that very process still lives. */
async function readOwner(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  });
  const [pid = '', startTime = ''] = text.trim().split(' ');
  if (!/^[1-9]\d*$/.test(pid) || startTime === '' || Number(pid) === process.pid) return undefined;
  return startTimeOf(Number(pid)) === startTime ? Number(pid) : undefined;
}

/**
 * Field 22 of /proc/PID/stat: pids come back, pids with the same start time do not (proc(5)). ""
 * for one that is dead; a zombie, which nobody has waited for yet, is dead and holds nothing.
 */
function startTimeOf(pid: number): string {
  try {
    return parseStartTime(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return '';
  }
}

export function parseStartTime(stat: string): string {
  const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? '' : (fields[18] ?? '');
}

function taken(kind: Kind, name: string, pid: number | undefined): EngineError {
  const who = pid === undefined ? 'another coracle daemon' : `process ${pid}`;
  const what = `the ${kind.replace('-', ' ')} ${name} is in use by ${who}`;
  return new EngineError('conflict', `${what}: name another one, with --${kind}`);
}
