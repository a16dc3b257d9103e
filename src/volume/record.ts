// A volume and its record: `<root>/<name>/volume.json`, written last and replaced whole.
import { join } from 'node:path';
import { EngineError } from '#base/error.ts';
import { decodeLimit, type Limit } from '#kernel/disk/limit.ts';
import { planVolume, type VolumeSource } from './options.ts';

export type Volume = {
  readonly name: string;
  readonly driver: 'local';
  /** The directory to bind. What is mounted for the volume is mounted here. */
  readonly mountpoint: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Made without a name; `rm -v` and prune may take it. */
  readonly anonymous: boolean;
  readonly source: VolumeSource;
  readonly limit: Limit | undefined;
};

export type VolumeRecord = Pick<
  Volume,
  'name' | 'createdAt' | 'labels' | 'options' | 'anonymous' | 'limit'
>;

export const RECORD = 'volume.json';
/** Copies of its content, one directory each. */
export const SNAPSHOTS = 'snapshots';

export function encodeVolume(volume: VolumeRecord): string {
  const { name, createdAt, labels, options, anonymous, limit } = volume;
  return JSON.stringify({ version: 1, name, createdAt, labels, options, anonymous, limit });
}

/** The name is the directory's. */
export function decodeVolume(text: string, name: string, path: string): Volume {
  const record: unknown = JSON.parse(text);
  if (typeof record !== 'object' || record === null || !('version' in record)) {
    throw new EngineError('corrupt', 'the record is not an object with a version');
  }
  const { version, createdAt, labels, options, anonymous, limit } = record as Record<
    string,
    unknown
  >;
  if (version !== 1) {
    throw new EngineError('corrupt', `unknown version ${String(version)} of the record`);
  }
  return volumeOf(
    {
      name,
      createdAt: String(createdAt),
      labels: strings(labels),
      options: strings(options),
      anonymous: anonymous === true,
      limit: decodeLimit(limit),
    },
    path,
  );
}

export function volumeOf(record: VolumeRecord, path: string): Volume {
  return {
    ...record,
    driver: 'local',
    mountpoint: join(path, '_data'),
    source: planVolume(record.options).source,
  };
}

/** Something is mounted on its directory while it is used. */
export function isMounted(volume: Volume): boolean {
  return volume.source.kind !== 'directory' || volume.limit?.kind === 'disk';
}

function strings(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  const pairs = Object.entries(value).filter(([, each]) => typeof each === 'string');
  return Object.fromEntries(pairs) as Record<string, string>;
}
