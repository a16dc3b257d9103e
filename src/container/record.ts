// The record of a container: what is stored in `<data>/containers/<id>/record.json`. Replaced
// whole, never edited; a reader that does not understand one says so and the daemon goes on without
// it.
import { EngineError } from '#base/error.ts';
import { type ContainerId, isFullId } from '#base/id.ts';
import type { IdMapping } from '#runtime/box.ts';
import type { ChainId } from '#snapshot/chain.ts';
import type { MountView } from './engine.ts';
import { PLAIN_WISH, type Networking } from './endpoint.ts';
import type { Link } from './link.ts';
import type { Merged } from './merge.ts';
import { NO_LIMITS } from './resources.ts';
import type { ContainerSpec } from './spec.ts';
import type { ExitFacts, Pid, State } from './state.ts';

/** 2: networks; a record of version 1 is read as what it was made for, which had none of them. */
export const RECORD_VERSION = 2;

/** A mount that is decided: the host directory is known, volumes exist. */
export type MountPoint = MountView & {
  readonly recursive: boolean;
  readonly recursiveReadonly: 'no' | 'yes' | 'force';
  /** Host paths of Binds are made when missing, at every start (as dockerd). */
  readonly createSource: boolean;
  /** Made for this container alone; `rm -v` and AutoRemove take it. */
  readonly anonymous: boolean;
  /** tmpfs only. */
  readonly options: readonly string[];
  /** What follows is absent where it was not asked for. The part of a volume or image to show. */
  readonly subpath?: string;
  /** Given to the user of the container, with all in it. */
  readonly chown?: boolean;
  /** Changes go to a top that ends with the container's run. */
  readonly throwaway?: boolean;
  /** Owners shifted by the user namespace. */
  readonly idmap?: boolean;
  /** type image. */
  readonly image?: { readonly id: string; readonly chain: ChainId };
};

export type ContainerRecord = {
  readonly version: typeof RECORD_VERSION;
  readonly id: ContainerId;
  readonly name: string;
  readonly createdAt: bigint;
  readonly spec: ContainerSpec;
  readonly merged: Merged;
  readonly image: {
    readonly id: string;
    readonly name: string;
    readonly chain: ChainId | undefined;
  };
  readonly platform: string;
  readonly mounts: readonly MountPoint[];
  /** Per-container user namespace; undefined = the host's. */
  readonly userns: { readonly mappings: readonly IdMapping[] } | undefined;
  /** --link on the default bridge; absent = none. */
  readonly links?: readonly Link[];
  readonly state: State;
  /** When its last run ended; told while the next one runs, too. */
  readonly finishedAt?: bigint;
  /** Starts by the restart policy since somebody started it by hand. */
  readonly restartCount: number;
  readonly manuallyStopped: boolean;
  readonly hasRun: boolean;
  /** Why the last start failed. */
  readonly startError: { readonly message: string; readonly exitCode: number } | undefined;
};

/** bigints become decimal strings; JSON has no integers beyond 2^53. */
export function encodeRecord(record: ContainerRecord): string {
  const { spec, merged, ...rest } = record;
  const text = JSON.stringify(rest, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  // Most of it, and without a bigint: that function is called for every value.
  return `${text.slice(0, -1)},"spec":${JSON.stringify(spec)},"merged":${JSON.stringify(merged)}}`;
}

/** Reads a record; throws `corrupt` with what is wrong. */
export function decodeRecord(text: string, id: string): ContainerRecord {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw corrupt('it is not JSON', error);
  }
  const record = object(raw, 'the record');
  const { version } = record;
  if (version !== RECORD_VERSION && version !== 1) {
    throw corrupt(`its version ${String(version)} is not ${RECORD_VERSION}`);
  }
  if (record['id'] !== id || !isFullId(id)) throw corrupt('its id is not that of its directory');
  if (typeof record['name'] !== 'string' || record['name'] === '') throw corrupt('it has no name');
  for (const key of ['spec', 'merged', 'image'] as const) object(record[key], key);
  for (const key of ['config', 'host'] as const) object(object(record['spec'], 'spec')[key], key);
  if (!Array.isArray(record['mounts'])) throw corrupt('it has no list of mounts');
  const known = record as unknown as ContainerRecord;
  return {
    ...known,
    version: RECORD_VERSION,
    spec: withLimits(version === 1 ? withNetworks(known.spec) : known.spec),
    // JSON has no undefined: absent fields stay absent, which reads the same.
    createdAt: integer(record['createdAt'], 'createdAt'),
    state: decodeState(record['state'], 0),
    ...(record['finishedAt'] === undefined
      ? {}
      : { finishedAt: integer(record['finishedAt'], 'finishedAt') }),
  };
}

/** What version 1 wrote of endpoints was kept but never applied; "default" was no network. */
function withNetworks(spec: ContainerSpec): ContainerSpec {
  const named = spec.host.networkMode;
  const networkMode = named === '' || named === 'default' ? 'none' : named;
  const networking: Networking = networkMode.startsWith('container:')
    ? {}
    : { [networkMode]: { ...PLAIN_WISH, network: networkMode } };
  return { ...spec, networking, host: { ...spec.host, networkMode, netRate: undefined } };
}

/** A record that was written before there was a limit has none of it. */
function withLimits(spec: ContainerSpec): ContainerSpec {
  return { ...spec, host: { ...NO_LIMITS, ...spec.host, slice: spec.host.slice ?? '' } };
}

const NESTING_MAX = 2;

function decodeState(raw: unknown, depth: number): State {
  const state = object(raw, 'state');
  const time = (key: string) => integer(state[key], `state.${key}`);
  switch (state['status']) {
    case 'created':
      return { status: 'created' };
    case 'running':
      return { status: 'running', pid: pid(state['pid']), startedAt: time('startedAt') };
    case 'paused':
      return {
        status: 'paused',
        pid: pid(state['pid']),
        startedAt: time('startedAt'),
        // Absent in a record that was written before there was one.
        forCommit: state['forCommit'] === true,
      };
    case 'restarting':
    case 'exited':
      return {
        status: state['status'],
        exit: decodeExit(state['exit']),
        startedAt: time('startedAt'),
      };
    case 'removing':
      if (depth >= NESTING_MAX) throw corrupt('its state is nested too deep');
      return { status: 'removing', before: decodeState(state['before'], depth + 1) };
    case 'dead':
      return { status: 'dead', error: String(state['error']) };
    default:
      throw corrupt(`its state ${String(state['status'])} is unknown`);
  }
}

function decodeExit(raw: unknown): ExitFacts {
  const exit = object(raw, 'exit');
  if (typeof exit['exitCode'] !== 'number') throw corrupt('its exit code is no number');
  return {
    exitCode: exit['exitCode'],
    oomKilled: exit['oomKilled'] === true,
    error: String(exit['error'] ?? ''),
    finishedAt: integer(exit['finishedAt'], 'finishedAt'),
  };
}

function pid(raw: unknown): Pid {
  if (typeof raw !== 'number' || !Number.isInteger(raw) || raw < 1) throw corrupt('its pid is bad');
  return raw as Pid;
}

function integer(raw: unknown, what: string): bigint {
  if (typeof raw === 'string' && /^-?\d{1,19}$/.test(raw)) return BigInt(raw);
  throw corrupt(`${what} is no integer`);
}

function object(raw: unknown, what: string): Record<string, unknown> {
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) {
    return raw as Record<string, unknown>;
  }
  throw corrupt(`${what} is no object`);
}

function corrupt(why: string, cause?: unknown): EngineError {
  return new EngineError('corrupt', `the record cannot be read: ${why}`, { cause });
}
