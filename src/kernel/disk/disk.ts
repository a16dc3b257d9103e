// Makes the limit of a new directory, and raises it while the directory is used.
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdir, open, rm, rmdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EngineError, errnoOf, messageOf } from '#base/error.ts';
import { OpError } from '../native/encode.ts';
import { errnoText } from '../native/errno.ts';
import type { Op, OpResult } from '../native/op.ts';
import { DISK, type Limit } from './limit.ts';

export type Perform = (ops: readonly Op[]) => Promise<readonly OpResult[]>;

const SECTOR_BYTES = 512;
const PROGRAM_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 64 * 1024;
/** Projects of others have small numbers, by projid(5). */
const PROJECT_MIN = 1 << 24;
const PROJECT_MAX = 2 ** 31 - 1;
const PROJECT_TRIES_MAX = 16;

/**
 * Makes the directory `target` in a new directory. A quota counts what is in it; or it is where the
 * file DISK beside it is mounted.
 */
export async function makeLimit(
  perform: Perform,
  directory: string,
  target: string,
  bytes: number,
): Promise<Limit> {
  const project = await freeProject(perform, directory);
  if (project === undefined) {
    await makeDisk(perform, directory, target, bytes);
    return { kind: 'disk', bytes };
  }
  await mkdir(target, { mode: 0o755 });
  await perform([{ op: 'quota_set', path: target, project, bytes }]);
  return { kind: 'quota', project, bytes };
}

/** undefined where the file system has no project quotas, or they are not switched on. */
async function freeProject(perform: Perform, path: string): Promise<number | undefined> {
  for (let attempt = 0; attempt < PROJECT_TRIES_MAX; attempt += 1) {
    const project = randomInt(PROJECT_MIN, PROJECT_MAX);
    try {
      const { used, limit } = await readQuota(perform, path, project);
      if (used === 0 && limit === 0) return project;
    } catch (error) {
      if (error instanceof OpError) return undefined;
      throw error;
    }
  }
  throw new EngineError('limit_exceeded', `no project of the file system of ${path} is free`);
}

export async function readQuota(
  perform: Perform,
  path: string,
  project: number,
): Promise<{ readonly used: number; readonly limit: number }> {
  const [result] = await perform([{ op: 'quota_read', path, project }]);
  const at = (offset: number): number => Number(result?.output.readBigUInt64LE(offset) ?? 0n);
  return { used: at(0), limit: at(8) };
}

/** The project's number is free again. */
export async function dropQuota(perform: Perform, path: string, project: number): Promise<void> {
  await perform([{ op: 'quota_set', path, project, bytes: 0 }]);
}

/** The file takes the space that is written to, not the whole of it. */
export async function makeDisk(
  perform: Perform,
  directory: string,
  target: string,
  bytes: number,
): Promise<void> {
  const image = join(directory, DISK);
  await rm(image, { force: true });
  const file = await open(image, 'wx', 0o600);
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
  await runMkfs(image);
  await mkdir(target, { recursive: true, mode: 0o755 });
  await mountDisk(perform, image, target);
  try {
    // What is handed to a container starts empty; e2fsck(8) makes it again when it needs it.
    await rmdir(join(target, 'lost+found'));
  } finally {
    await perform([{ op: 'volume_unmount', target }]);
  }
}

/** On a directory of the host; whoever mounts the same image gets the same file system. */
export async function mountDisk(perform: Perform, image: string, target: string): Promise<void> {
  try {
    await perform([{ op: 'disk_mount', image, target }]);
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
    const said = error.result.output
      .toString('utf8')
      .trim()
      .replaceAll(/^[ewi] /gm, '');
    const why = [said, errnoText(error.result.errno)].filter(Boolean).join(': ');
    const text = `cannot mount the file system in ${image}: ${why}`;
    throw new EngineError('kernel_refused', text, { cause: error });
  }
}

function runMkfs(image: string): Promise<void> {
  // Tables and journal are written by the kernel when they are used; zeros of a new file need not
  // be discarded.
  const extended = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1';
  return run('mkfs.ext4', [
    '-q',
    '-F',
    '-b',
    '4096',
    '-I',
    '256',
    '-m',
    '0',
    '-E',
    extended,
    image,
  ]);
}

async function run(program: string, argv: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(program, argv, {
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      timeout: PROGRAM_MS_MAX,
      maxBuffer: OUTPUT_BYTES_MAX,
    });
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') {
      throw new EngineError(
        'unavailable',
        'a size needs project quotas in the file system of the data root (prjquota), which it ' +
          `does not have, or the program ${program} (package e2fsprogs), which was not found`,
        { cause },
      );
    }
    const why = messageOf(cause).trim().split('\n').at(-1);
    throw new EngineError('internal', `${program} ${argv.at(-1)}: ${why}`, { cause });
  }
}

export type Growth = {
  readonly limit: Limit;
  readonly bytes: number;
  /** A container has the disk mounted; else nothing is mounted now. */
  readonly used: boolean;
};

/** Takes effect at once for whoever uses it. */
export async function growLimit(
  perform: Perform,
  directory: string,
  target: string,
  { limit, bytes, used }: Growth,
): Promise<Limit> {
  try {
    if (limit.kind === 'quota') {
      await perform([{ op: 'quota_set', path: target, project: limit.project, bytes }]);
      return { ...limit, bytes };
    }
    await growDisk(perform, join(directory, DISK), target, { bytes, used });
    return { kind: 'disk', bytes };
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
    const { errno } = error.result;
    const hint =
      errno === constants.errno.EPERM
        ? ' (ext4 wants CAP_SYS_RESOURCE for it; without, it grows while no container runs with it)'
        : '';
    const text = `cannot grow to ${bytes} bytes: ${errnoText(errno)}${hint}`;
    throw new EngineError('kernel_refused', text, { cause: error });
  }
}

const IDLE_POLL_MS = 10;
const IDLE_POLLS_MAX = 500;

/** Nothing else may write to the file while a program does. */
async function whenIdle(perform: Perform, image: string): Promise<void> {
  for (let poll = 1; ; poll += 1) {
    try {
      await perform([{ op: 'disk_idle', image }]);
      return;
    } catch (error) {
      const busy = error instanceof OpError && error.result.errno === constants.errno.EBUSY;
      if (!busy || poll === IDLE_POLLS_MAX) throw error;
      await sleep(IDLE_POLL_MS);
    }
  }
}

async function growDisk(
  perform: Perform,
  image: string,
  target: string,
  { bytes, used }: Pick<Growth, 'bytes' | 'used'>,
): Promise<void> {
  const grow: Op = { op: 'disk_grow', image, target, bytes };
  if (used) {
    await perform([grow]);
    return;
  }
  await mountDisk(perform, image, target);
  try {
    await perform([grow]);
  } catch (error) {
    if (!(error instanceof OpError) || error.result.errno !== constants.errno.EPERM) throw error;
    await perform([{ op: 'volume_unmount', target }]);
    await whenIdle(perform, image);
    await run('resize2fs', ['-f', image, `${bytes / SECTOR_BYTES}s`]);
  } finally {
    await perform([{ op: 'volume_unmount', target }]);
  }
}
