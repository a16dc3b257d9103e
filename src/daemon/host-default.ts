// What containers get that say nothing of it: `default-shm-size`, `default-ipc-mode`,
// `default-cgroupns-mode` and the size among `storage-opts`, with dockerd's texts. Pure.
import { parseSize } from '#base/bytes.ts';
import { EngineError } from '#base/error.ts';
import type { HostDefaults } from '#container/host-default.ts';
import { parseRootSize } from '#snapshot/size.ts';

export type { HostDefaults } from '#container/host-default.ts';

type Values = ReadonlyMap<string, unknown>;

const invalid = (message: string): EngineError => new EngineError('invalid_argument', message);

export function parseHostDefaults(values: Values): HostDefaults {
  const text = (key: string): string => String(values.get(key) ?? '');
  const ipcMode = text('default-ipc-mode');
  if (!['', 'private', 'shareable'].includes(ipcMode)) {
    throw invalid(
      `IPC mode "${ipcMode}" is not supported as default value; use "shareable" or "private"`,
    );
  }
  const cgroupnsMode = text('default-cgroupns-mode');
  if (!['', 'private', 'host'].includes(cgroupnsMode)) {
    const use = 'use "host" or "private"';
    throw invalid(`invalid default cgroup namespace (${cgroupnsMode}): ${use}`);
  }
  const shm = text('default-shm-size');
  return {
    ipcMode,
    cgroupnsMode,
    shmSize: shm === '' ? undefined : parseShm(shm),
    storageOpt: parseStorageOptions((values.get('storage-opts') ?? []) as readonly string[]),
  };
}

function parseShm(text: string): number | undefined {
  try {
    return parseSize(text) || undefined;
  } catch (error) {
    throw new EngineError('invalid_argument', `invalid default-shm-size ${text}`, { cause: error });
  }
}

const SIZE = 'overlay2.size';
/** What dockerd itself has passed by since 17. */
const KERNEL_CHECK = 'overlay2.override_kernel_check';

function parseStorageOptions(list: readonly string[]): HostDefaults['storageOpt'] {
  const chosen: Record<string, string> = {};
  for (const option of list) {
    const [, name = option, value = ''] = /^([^=]*)=(.*)$/.exec(option) ?? [];
    if (name.toLowerCase() === SIZE) {
      parseRootSize(value);
      chosen['size'] = value;
    } else if (name.toLowerCase() !== KERNEL_CHECK) {
      throw invalid(`unknown storage-opt ${option}: there is ${SIZE}=SIZE, of each container`);
    }
  }
  return chosen;
}
