// How much a volume holds, counted by the C program in a process of its own.
import { OpError } from '#kernel/native/encode.ts';
import type { VolumeMounts } from './mounts.ts';
import { isMounted } from './record.ts';
import type { VolumeStore } from './volume.ts';

/** Where there is more, the size is told as unknown. */
export const USAGE_ENTRIES_MAX = 5_000_000;

export type VolumeUsage = {
  /** -1 = unknown. */
  readonly bytes: number;
};

const UNKNOWN: VolumeUsage = { bytes: -1 };

/** Sum of the lengths of its files, each once, as dockerd counts. */
export async function volumeUsage(
  store: VolumeStore,
  mounts: VolumeMounts,
  name: string,
): Promise<VolumeUsage> {
  const volume = store.find(name);
  if (volume === undefined) return UNKNOWN;
  // What lies on a server, or on a disk of somebody else, is not asked for.
  if (volume.source.kind !== 'directory') return UNKNOWN;
  const measure = () => count(store, volume.mountpoint);
  if (!isMounted(volume)) return measure();
  using _lock = await store.locks.acquire(name);
  return await mounts.while(volume, measure);
}

async function count(store: VolumeStore, path: string): Promise<VolumeUsage> {
  try {
    const ops = [{ op: 'tree_usage', path, limit: USAGE_ENTRIES_MAX }] as const;
    const [result] = await store.needs.carry(ops);
    return { bytes: Number(result?.output.readBigUInt64LE(0) ?? -1n) };
  } catch (error) {
    if (error instanceof OpError) return UNKNOWN;
    throw error;
  }
}
