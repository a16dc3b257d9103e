// One daemon per data root. Node has no flock(2); the kernel's names of abstract unix sockets are
// as good: binding is atomic, and the name is free the moment its owner dies, however it dies
// (unix(7)). Abstract names belong to a network namespace, so a file with the owner's pid and start
// time tells of an owner in another one.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { EngineError, errnoOf } from '#base/error.ts';

const LOCK_FILE = 'daemon.lock';

export async function lockDataRoot(dataRoot: string): Promise<AsyncDisposable> {
  refuseDockerd(dataRoot);
  await mkdir(dataRoot, { recursive: true, mode: 0o710 });
  const { dev, ino } = statSync(dataRoot, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (error) => reject(error));
  server.listen(`\0coracle-data-root-${dev}-${ino}`, resolve);
  try {
    await promise;
  } catch (error) {
    if (errnoOf(error) === 'EADDRINUSE') throw taken(dataRoot, undefined);
    throw error;
  }
  server.unref();
  const path = join(dataRoot, LOCK_FILE);
  const owner = await readOwner(path);
  if (owner !== undefined) {
    server.close();
    throw taken(dataRoot, owner);
  }
  await writeFileAtomic(path, `${process.pid} ${startTimeOf(process.pid)}\n`, { durable: false });
  return {
    [Symbol.asyncDispose]: async () => {
      await rm(path, { force: true });
      server.close();
    },
  };
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

function taken(dataRoot: string, pid: number | undefined): EngineError {
  const who = pid === undefined ? 'another coracle daemon' : `process ${pid}`;
  return new EngineError('conflict', `the data root ${dataRoot} is in use by ${who}`);
}
