// The content of a volume as one thing that can be copied and put in the place of another: the
// directory, or the file with its file system. Copies share their bytes with the original where the
// file system can, and the answer says how many it did.
import { join } from 'node:path';
import { constants } from 'node:os';
import { EngineError } from '#base/error.ts';
import { growLimit } from '#kernel/disk/disk.ts';
import { DISK, type Limit } from '#kernel/disk/limit.ts';
import { OpError } from '#kernel/native/encode.ts';
import { errnoText } from '#kernel/native/errno.ts';
import { FAULT, type OpResult } from '#kernel/native/op.ts';
import type { VolumeNeeds } from './volume.ts';

export type Copied = {
  /** Written anew, and shared with the original. */
  readonly bytesCopied: number;
  readonly bytesShared: number;
};

export const DATA = '_data';

/** From one volume's (or snapshot's) directory to another that has none yet. */
export async function copyContent(
  { carry, perform }: VolumeNeeds,
  from: string,
  to: string,
  options: {
    readonly limit: Limit | undefined;
    /** Of a disk that is mounted now. */
    readonly mounted: string;
  },
): Promise<Copied> {
  try {
    if (options.limit?.kind === 'disk') {
      const { mounted } = options;
      const [copied] = await carry([
        { op: 'copy_file', from: join(from, DISK), to: join(to, DISK), mounted },
      ]);
      await perform([{ op: 'mkdir', path: join(to, DATA), mode: 0o755 }]);
      return countOf(copied);
    }
    const target = join(to, DATA);
    const [copied] = await carry([{ op: 'copy_tree', from: join(from, DATA), to: target }]);
    return countOf(copied);
  } catch (error) {
    // The agent thaws what it has frozen, unless it was killed.
    const target = options.mounted;
    if (target !== '') await perform([{ op: 'thaw', target }]).catch(() => {});
    throw explained(error);
  }
}

function countOf(result: OpResult | undefined): Copied {
  const at = (offset: number): number => Number(result?.output.readBigUInt64LE(offset) ?? 0n);
  return { bytesCopied: at(0), bytesShared: at(8) };
}

function explained(error: unknown): unknown {
  if (!(error instanceof OpError)) return error;
  const { errno } = error.result;
  const full = errno === constants.errno.ENOSPC || errno === constants.errno.EDQUOT;
  const deep = errno === FAULT.TOO_MANY ? ' (directories nested too deep)' : '';
  const text = `cannot copy the volume: ${errnoText(errno)}${deep}`;
  return new EngineError(full ? 'unavailable' : 'kernel_refused', text, { cause: error });
}

/** The content of `stage` and that of a volume change places in one step (rename(2)). */
export async function exchangeContent(
  { perform }: VolumeNeeds,
  path: string,
  stage: string,
  limit: Limit | undefined,
): Promise<void> {
  const name = limit?.kind === 'disk' ? DISK : DATA;
  await perform([{ op: 'exchange', path: join(path, name), other: join(stage, name) }]);
}

/** A copy of an older, smaller disk gets the size that the volume has now. */
export async function growDisk(
  { perform }: VolumeNeeds,
  path: string,
  bytes: number,
): Promise<void> {
  const limit = { kind: 'disk', bytes } as const;
  await growLimit(perform, path, join(path, DATA), { limit, bytes, used: false });
}
