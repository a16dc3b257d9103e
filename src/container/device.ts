// --device and device rules. The host's nodes are looked at when the container starts, because a
// node may come and go between create and start.
import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { EngineError, errnoOf } from '#base/error.ts';
import type { BoxDevice } from '#runtime/box.ts';
import { splitRdev } from '#runtime/facts.ts';
import type { Resources } from './spec.ts';

export const DEVICES_MAX = 4096;
const RULE = /^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/;

export type DeviceWish = Resources['devices'][number];

/** Refuses at create what can be refused without looking at the host. */
export function checkDevices(resources: Pick<Resources, 'devices' | 'deviceCgroupRules'>): void {
  for (const rule of resources.deviceCgroupRules) {
    if (!RULE.test(rule)) throw invalid(`invalid device cgroup rule format: '${rule}'`);
  }
  for (const wish of resources.devices) {
    if (!/^[rwm]{0,3}$/.test(wish.cgroupPermissions)) {
      throw invalid(`invalid device mode: ${wish.cgroupPermissions}`);
    }
    if (wish.pathInContainer !== '' && !wish.pathInContainer.startsWith('/')) {
      throw invalid(`${wish.pathInContainer} is not an absolute path`);
    }
  }
}

/** The nodes behind the wishes; a directory stands for all nodes below it. */
export function readDevices(wishes: readonly DeviceWish[]): readonly BoxDevice[] {
  const found: BoxDevice[] = [];
  for (const wish of wishes) {
    const inside = wish.pathInContainer === '' ? wish.pathOnHost : wish.pathInContainer;
    const access = wish.cgroupPermissions === '' ? 'rwm' : wish.cgroupPermissions;
    const before = found.length;
    try {
      const path = realpathSync(wish.pathOnHost);
      collect(path, posix.normalize(inside), (stats, target, source) => {
        const node = { ...nodeOf(stats, target), ...splitRdev(stats.rdev), access };
        found.push(source === target ? node : { ...node, source });
      });
    } catch (error) {
      throw gathering(
        wish.pathOnHost,
        errnoOf(error) === 'ENOENT' ? 'no such file or directory' : String(error),
        error,
      );
    }
    if (found.length === before) throw gathering(wish.pathOnHost, 'not a device node');
    if (found.length > DEVICES_MAX) {
      throw new EngineError('limit_exceeded', `more than ${DEVICES_MAX} devices`);
    }
  }
  return found;
}

type Add = (stats: Stats, target: string, source: string) => void;

function collect(path: string, inside: string, add: Add): void {
  const stats = statSync(path);
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return add(stats, inside, path);
  if (!stats.isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    // Links inside a directory of devices are names for nodes that come anyway.
    if (entry.isSymbolicLink()) continue;
    collect(join(path, entry.name), posix.join(inside, entry.name), add);
  }
}

function nodeOf(stats: Stats, path: string) {
  const type: BoxDevice['type'] = stats.isBlockDevice() ? 'b' : 'c';
  return { path, type, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
}

function gathering(path: string, why: string, cause?: unknown): EngineError {
  const text = `error gathering device information while adding custom device "${path}": ${why}`;
  return new EngineError('invalid_argument', text, { cause });
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
