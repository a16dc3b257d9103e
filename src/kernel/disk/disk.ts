// Makes the limit of a new directory, and raises it while the directory is used.
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdir, open, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EngineError, errnoOf } from '#base/error.ts';
import { OpError } from '../native/encode.ts';
import { errnoText } from '../native/errno.ts';
import type { Op, OpResult } from '../native/op.ts';
import { DISK, type Limit } from './limit.ts';

export type Perform = (ops: readonly Op[]) => Promise<readonly OpResult[]>;

const PROGRAM_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 64 * 1024;
/** Projects of others have small numbers, by projid(5). */
const PROJECT_MIN = 1 << 24;
const PROJECT_MAX = 2 ** 31 - 1;
const PROJECT_TRIES_MAX = 16;

/**
 * The directory is new and holds nothing. A quota counts all of it; a disk is the file DISK in it,
 * to be mounted on its directory `target`, which is made.
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
  await perform([{ op: 'quota_set', path: directory, project, bytes }]);
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
  await perform([{ op: 'disk_mount', image, target }]);
  try {
    // What is handed to a container starts empty; e2fsck(8) makes it again when it needs it.
    await rmdir(join(target, 'lost+found'));
  } finally {
    await perform([{ op: 'volume_unmount', target }]);
  }
}

async function runMkfs(image: string): Promise<void> {
  // Tables and journal are written by the kernel when they are used; zeros of a new file need not
  // be discarded.
  const extended = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1';
  const argv = ['-q', '-F', '-b', '4096', '-I', '256', '-m', '0', '-E', extended, image];
  try {
    await promisify(execFile)('mkfs.ext4', argv, {
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      timeout: PROGRAM_MS_MAX,
      maxBuffer: OUTPUT_BYTES_MAX,
    });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new EngineError(
        'unavailable',
        'a size needs project quotas in the file system of the data root (prjquota), which it ' +
          'does not have, or the program mkfs.ext4 (package e2fsprogs), which was not found',
        { cause: error },
      );
    }
    throw new EngineError('internal', `mkfs.ext4 failed for ${image}: ${String(error)}`, {
      cause: error,
    });
  }
}

/** Where a disk is, it is mounted at `target` now. */
export async function growLimit(
  perform: Perform,
  directory: string,
  target: string,
  { limit, bytes }: { readonly limit: Limit; readonly bytes: number },
): Promise<Limit> {
  const { kind } = limit;
  try {
    if (kind === 'quota') {
      await perform([{ op: 'quota_set', path: directory, project: limit.project, bytes }]);
      return { ...limit, bytes };
    }
    await perform([{ op: 'disk_grow', image: join(directory, DISK), target, bytes }]);
    return { kind, bytes };
  } catch (error) {
    if (!(error instanceof OpError)) throw error;
    const why = errnoText(error.result.errno);
    throw new EngineError('kernel_refused', `cannot grow to ${bytes} bytes: ${why}`, {
      cause: error,
    });
  }
}
