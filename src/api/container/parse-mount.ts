// HostConfig.Mounts (`--mount`).
import { EngineError } from '#base/error.ts';
import type { MountSpec } from '#container/spec.ts';
import { emptyMap, type Fields } from '../decode.ts';

const TYPES = ['bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster'] as const;

export function parseMount(mount: Fields): MountSpec {
  const type = mount.string('Type') || 'volume';
  if (!isType(type) || type === 'npipe' || type === 'cluster')
    throw invalid(type, 'mount type unknown');
  const source = mount.string('Source');
  const target = mount.string('Target');
  if (target === '') throw invalid(type, 'field Target must not be empty');
  if (!target.startsWith('/')) throw notAbsolute(type, target);
  if (/^\/+$/.test(target)) {
    throw invalid(type, "invalid specification: destination can't be '/'");
  }
  for (const options of ['Bind', 'Volume', 'Tmpfs', 'Image'] as const) {
    if (options.toLowerCase() !== type && mount.has(`${options}Options`)) {
      throw invalid(type, `field ${options}Options must not be specified`);
    }
  }
  if (type === 'bind') {
    if (source === '') throw invalid(type, 'field Source must not be empty');
    if (!source.startsWith('/')) throw notAbsolute(type, source);
  }
  if (type === 'tmpfs' && source !== '') throw invalid(type, 'field Source must not be specified');
  if (type === 'image' && source === '') throw invalid(type, 'field Source must not be empty');
  return {
    type,
    source,
    target,
    readOnly: mount.bool('ReadOnly'),
    consistency: mount.string('Consistency'),
    bindOptions: parseBind(mount.object('BindOptions')),
    volumeOptions: parseVolume(mount.object('VolumeOptions')),
    tmpfsOptions: parseTmpfs(mount.object('TmpfsOptions')),
    imageOptions: mount.has('ImageOptions')
      ? { subpath: mount.object('ImageOptions')?.string('Subpath') ?? '' }
      : undefined,
  };
}

const PROPAGATIONS = ['', 'private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

function parseBind(bind: Fields | undefined): MountSpec['bindOptions'] {
  if (bind === undefined) return undefined;
  const propagation = bind.string('Propagation');
  if (!PROPAGATIONS.includes(propagation)) {
    throw invalid('bind', `invalid propagation mode: ${propagation.slice(0, 100)}`);
  }
  const readOnlyNonRecursive = bind.bool('ReadOnlyNonRecursive');
  const readOnlyForceRecursive = bind.bool('ReadOnlyForceRecursive');
  if (readOnlyNonRecursive && readOnlyForceRecursive) {
    throw invalid(
      'bind',
      'mount options: ReadOnlyNonRecursive and ReadOnlyForceRecursive conflict',
    );
  }
  return {
    propagation,
    nonRecursive: bind.bool('NonRecursive'),
    createMountpoint: bind.bool('CreateMountpoint'),
    readOnlyNonRecursive,
    readOnlyForceRecursive,
    idmap: bind.bool('Idmap'),
  };
}

function parseVolume(volume: Fields | undefined): MountSpec['volumeOptions'] {
  if (volume === undefined) return undefined;
  const driver = volume.object('DriverConfig');
  return {
    noCopy: volume.bool('NoCopy'),
    labels: volume.stringMap('Labels'),
    driver: driver?.string('Name') ?? '',
    driverOptions: driver?.stringMap('Options') ?? emptyMap(),
    subpath: volume.string('Subpath'),
  };
}

function parseTmpfs(tmpfs: Fields | undefined): MountSpec['tmpfsOptions'] {
  if (tmpfs === undefined) return undefined;
  const sizeBytes = tmpfs.int('SizeBytes');
  if (sizeBytes < 0) throw invalid('tmpfs', 'field SizeBytes must not be negative');
  const options = tmpfs.get('Options') ?? [];
  const valid =
    Array.isArray(options) &&
    options.every(
      (pair: unknown) => Array.isArray(pair) && pair.every((text) => typeof text === 'string'),
    );
  if (!valid) throw invalid('tmpfs', 'field Options must be a list of lists of texts');
  return { sizeBytes, mode: tmpfs.int('Mode'), options };
}

function isType(type: string): type is MountSpec['type'] {
  return (TYPES as readonly string[]).includes(type);
}

function notAbsolute(type: string, path: string): EngineError {
  const text = `invalid mount path: '${path.slice(0, 200)}' mount path must be absolute`;
  return invalid(type, text);
}

function invalid(type: string, why: string): EngineError {
  const text = `invalid mount config for type "${type.slice(0, 100)}": ${why}`;
  return new EngineError('invalid_argument', text);
}
