// The options of the local driver (`-o type=nfs -o o=addr=... -o device=...`) → what the volume is.
// Pure. Texts are dockerd's (volume/local/local.go) where it has one.
import { EngineError } from '#base/error.ts';
import { parseLimit } from '#kernel/disk/limit.ts';
import { MS } from '#kernel/mount/flags.ts';
import { parseMountOptions } from '#kernel/mount/options.ts';

export type VolumeSource =
  /** A directory below the data root. */
  | { readonly kind: 'directory' }
  /** A directory of the host, seen again. */
  | {
      readonly kind: 'bind';
      readonly device: string;
      readonly recursive: boolean;
      readonly options: string;
    }
  /** A file system that the kernel mounts when a container needs it. */
  | {
      readonly kind: 'filesystem';
      readonly type: string;
      readonly device: string;
      readonly options: string;
    };

export type VolumePlan = {
  readonly source: VolumeSource;
  /** Bytes that it may hold; undefined = as many as there are. */
  readonly size: number | undefined;
};

const KNOWN = ['type', 'o', 'device', 'size'];
/** One option needs others. */
const NEEDS: readonly (readonly [option: string, needs: readonly string[]])[] = [
  ['device', ['type']],
  ['type', ['device']],
  ['o', ['device', 'type']],
];

export function planVolume(options: Readonly<Record<string, string>>): VolumePlan {
  for (const option of Object.keys(options)) {
    if (!KNOWN.includes(option)) throw invalid(`invalid option: ${JSON.stringify(option)}`);
  }
  for (const [option, needs] of NEEDS) {
    if (options[option] === undefined) continue;
    const missing = needs.find((each) => options[each] === undefined);
    if (missing !== undefined) {
      throw invalid(`missing required option: ${JSON.stringify(missing)}`);
    }
  }
  const size = options['size'] === undefined ? undefined : parseLimit(options['size']);
  const { type, device, o = '' } = options;
  if (type === undefined || device === undefined) return { source: { kind: 'directory' }, size };
  if (size !== undefined) {
    throw invalid(
      'conflicting options: size and type: a size is for volumes in the data root; ' +
        'of a tmpfs it is a mount option (o=size=64m)',
    );
  }
  return { source: sourceOf(type, device, o), size };
}

function sourceOf(type: string, device: string, o: string): VolumeSource {
  const parsed = parseMountOptions(o);
  if (parsed.propagation !== undefined) {
    throw invalid(
      `invalid mount option: ${JSON.stringify(parsed.propagation)}: ` +
        'propagation belongs to the mount in a container, not to the volume',
    );
  }
  if (parsed.bind !== undefined) {
    return { kind: 'bind', device, recursive: parsed.bind === 'rbind', options: o };
  }
  if (type === 'nfs' || type === 'nfs4') checkNfs(type, device, o);
  if (type === 'cifs' || type === 'smb3') checkCifs(type, device);
  return { kind: 'filesystem', type, device, options: o };
}

/** mount.nfs(8) would look the address up; the kernel takes it only from this option. */
function checkNfs(type: string, device: string, o: string): void {
  if (!/^[^:/]*:\/?.+$/.test(device) && !/^\[[^\]]+\]:\/?.+$/.test(device)) {
    throw invalid(
      `invalid device for type ${JSON.stringify(type)}: ${JSON.stringify(device)}: ` +
        'it is ":/path" or "server:/path"',
    );
  }
  if (addressOf(o) !== undefined) return;
  throw invalid(`missing mount option for type ${JSON.stringify(type)}: o=addr=SERVER`);
}

function checkCifs(type: string, device: string): void {
  if (/^(\/\/|\\\\)[^/\\]+[/\\].+$/.test(device)) return;
  throw invalid(
    `invalid device for type ${JSON.stringify(type)}: ${JSON.stringify(device)}: ` +
      'it is "//server/share"',
  );
}

/** The server of a network file system, as the user wrote it. */
export function addressOf(o: string): string | undefined {
  const word = o.split(',').find((each) => each.startsWith('addr='));
  return word?.slice('addr='.length);
}

/** mount(2) as dockerd tells of it: "mount DEVICE:TARGET, flags: 0x1000, data: addr=...". */
export function mountText(
  source: Exclude<VolumeSource, { kind: 'directory' }>,
  target: string,
): string {
  let flags = 0;
  const data: string[] = [];
  for (const word of source.options.split(',').filter((each) => each !== '')) {
    const flag = FLAGS[word];
    if (flag === undefined) data.push(word);
    else flags = flag < 0 ? flags & ~-flag : flags | flag;
  }
  const shown = flags === 0 ? '' : `, flags: 0x${flags.toString(16)}`;
  const rest = data.length === 0 ? '' : `, data: ${data.join(',')}`;
  return `mount ${source.device}:${target}${shown}${rest}`;
}

/** Negative: the word takes the flag away. */
const FLAGS: Readonly<Record<string, number>> = {
  defaults: 0,
  ro: MS.RDONLY,
  rw: -MS.RDONLY,
  nosuid: MS.NOSUID,
  suid: -MS.NOSUID,
  nodev: MS.NODEV,
  dev: -MS.NODEV,
  noexec: MS.NOEXEC,
  exec: -MS.NOEXEC,
  sync: MS.SYNCHRONOUS,
  async: -MS.SYNCHRONOUS,
  dirsync: MS.DIRSYNC,
  noatime: MS.NOATIME,
  atime: -MS.NOATIME,
  nodiratime: MS.NODIRATIME,
  diratime: -MS.NODIRATIME,
  relatime: MS.RELATIME,
  strictatime: MS.STRICTATIME,
  bind: MS.BIND,
  rbind: MS.BIND | MS.REC,
};

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
