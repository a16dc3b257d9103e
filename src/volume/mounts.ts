// Mounts what the options of a volume name on its directory, at its first use, and takes it away at
// its last. Who uses it is a set of names (ids of containers, and of work in progress); a new
// daemon is told the ones that run and compares with what the kernel has mounted, so that a crash
// leaves no mount behind. Volumes that are plain directories never come here.
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { EngineError, messageOf } from '#base/error.ts';
import { DISK } from '#kernel/disk/limit.ts';
import { MOUNT_ATTR } from '#kernel/mount/flags.ts';
import { pathsBelow } from '#kernel/mount/mountinfo.ts';
import { parseMountOptions } from '#kernel/mount/options.ts';
import { OpError } from '#kernel/native/encode.ts';
import { errnoText } from '#kernel/native/errno.ts';
import type { Op } from '#kernel/native/op.ts';
import { addressOf, mountText } from './options.ts';
import { isMounted, type Volume } from './record.ts';
import type { VolumeStore } from './volume.ts';

export class VolumeMounts {
  readonly #store: VolumeStore;
  readonly #holders = new Map<string, Set<string>>();

  constructor(store: VolumeStore) {
    this.#store = store;
  }

  /** True while something is mounted for it. */
  mounted(name: string): boolean {
    return this.#holders.has(name);
  }

  /** Mounted when this resolves, until this holder and all others have let it go. */
  async hold(name: string, holder: string): Promise<void> {
    const waits = this.#store.locks.busy(name);
    if (!isMounted(this.#store.get(name)) && !waits) return;
    // Also of one that is never mounted: it may be filled or rolled back just now.
    using _lock = await this.#store.locks.acquire(name);
    await this.holdLocked(this.#store.get(name), holder);
  }

  /** The caller has the volume's lock. */
  async holdLocked(volume: Volume, holder: string): Promise<void> {
    if (!isMounted(volume)) return;
    const holders = this.#holders.get(volume.name);
    if (holders !== undefined) {
      holders.add(holder);
      return;
    }
    await this.#mount(volume);
    this.#holders.set(volume.name, new Set([holder]));
  }

  /** All that this holder has. What cannot be unmounted is thrown at the end. */
  async release(holder: string): Promise<void> {
    const errors: unknown[] = [];
    for (const [name, holders] of [...this.#holders]) {
      if (!holders.has(holder)) continue;
      using _lock = await this.#store.locks.acquire(name);
      await this.releaseLocked(name, holder).catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  async releaseLocked(name: string, holder: string): Promise<void> {
    const holders = this.#holders.get(name);
    if (!holders?.delete(holder) || holders.size > 0) return;
    this.#holders.delete(name);
    await this.#unmount(this.#store.get(name).mountpoint);
  }

  /** Runs with the volume mounted. The caller has its lock. */
  async while<T>(volume: Volume, run: () => Promise<T>): Promise<T> {
    const holder = `work on ${volume.name}`;
    await this.holdLocked(volume, holder);
    try {
      return await run();
    } finally {
      await this.releaseLocked(volume.name, holder);
    }
  }

  /** After a crash: `running` are the volumes of each container that runs. */
  async recover(running: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const there = new Set(pathsBelow(this.#store.root, await readFile(MOUNTINFO, 'utf8')));
    for (const [holder, names] of running) {
      for (const name of names) {
        const volume = this.#store.find(name);
        if (volume === undefined || !there.has(volume.mountpoint)) continue;
        const holders = this.#holders.get(name) ?? new Set();
        this.#holders.set(name, holders.add(holder));
      }
    }
    // One that was held for a copy would stay alive without any mount (freeze_super()).
    for (const { mountpoint, limit } of this.#store.list()) {
      if (limit?.kind !== 'disk' || !there.has(mountpoint)) continue;
      await this.#store.needs.perform([{ op: 'thaw', target: mountpoint }]);
    }
    const kept = [...this.#holders.keys()].map((name) => this.#store.get(name).mountpoint);
    for (const path of there) {
      // Below one that is kept lies what its directory of the host brought along.
      if (kept.some((each) => `${path}/`.startsWith(`${each}/`))) continue;
      await this.#unmount(path);
    }
  }

  async #mount(volume: Volume): Promise<void> {
    const { mountpoint: target, source } = volume;
    try {
      await this.#store.needs.perform([await mountOp(this.#store.pathOf(volume.name), volume)]);
    } catch (error) {
      if (!(error instanceof OpError)) throw mountError(target, error, messageOf(error));
      // Each line begins with its kind, "e " for an error (fsopen(2)).
      const said = error.result.output
        .toString('utf8')
        .trim()
        .replaceAll(/^[ewi] /gm, '');
      const why = `${errnoText(error.result.errno)}${said === '' ? '' : ` (${said})`}`;
      const what = source.kind === 'directory' ? `mount ${DISK}` : mountText(source, target);
      throw mountError(target, error, `failed to mount local volume: ${what}: ${why}`);
    }
  }

  async #unmount(target: string): Promise<void> {
    await this.#store.needs.perform([{ op: 'volume_unmount', target }]);
  }
}

const MOUNTINFO = '/proc/self/mountinfo';

function mountError(target: string, cause: unknown, why: string): EngineError {
  const text = `error while mounting volume '${target}': ${why}`;
  return new EngineError('kernel_refused', text, { cause });
}

async function mountOp(path: string, volume: Volume): Promise<Op> {
  const { source, mountpoint: target } = volume;
  if (source.kind === 'directory') return { op: 'disk_mount', image: join(path, DISK), target };
  const words = await withAddress(source.options);
  const { attrSet, attrClear, options } = parseMountOptions(words);
  if (source.kind === 'bind') {
    const recursive = source.recursive ? 1 : 0;
    const bits = { attr_set: attrSet, attr_clear: attrClear };
    return { op: 'volume_bind', target, source: source.device, recursive, ...bits };
  }
  return {
    op: 'volume_mount',
    target,
    fstype: source.type,
    source: source.device,
    attr: attrSet,
    // A disk that is read-only must be opened so; the flag of the mount comes too late for that.
    options: attrSet & MOUNT_ATTR.RDONLY ? [...options, 'ro'] : options,
  };
}

/** The kernel resolves no names. */
async function withAddress(options: string): Promise<string> {
  const host = addressOf(options);
  if (host === undefined || isIP(host) !== 0) return options;
  try {
    const { address } = await lookup(host);
    return options.replace(`addr=${host}`, `addr=${address}`);
  } catch (cause) {
    const why = `lookup ${host}: no such host`;
    throw new Error(`error resolving passed in network volume address: ${why}`, { cause });
  }
}
