// `--mount type=...`, as HostConfig.Mounts has it. Pure, but for the question whether a source
// exists, which is an argument. Texts are dockerd's (volume/mounts/validate.go).
import { posix } from 'node:path';
import type { EngineError } from '#base/error.ts';
import type { Propagation } from '#runtime/box.ts';
import {
  checkTarget,
  checkVolumeName,
  invalid,
  type MountWish,
  PLAIN,
  PROPAGATIONS,
} from './mount-wish.ts';
import type { MountSpec } from './spec.ts';

export function parseMount(mount: MountSpec, exists: (path: string) => boolean): MountWish {
  const bad = (why: string): EngineError =>
    invalid(`invalid mount config for type "${mount.type}": ${why}`);
  checkExclusive(mount, bad);
  if (mount.target === '') throw bad('field Target must not be empty');
  const target = checkTarget(mount.target, `invalid mount config for type "${mount.type}": `);
  const base = { ...PLAIN, target, readonly: mount.readOnly };
  switch (mount.type) {
    case 'bind':
      return { ...base, ...bindOf(mount, exists, bad) };
    case 'volume':
      if (mount.source !== '') checkVolumeName(mount.source);
      return {
        ...base,
        type: 'volume',
        source: mount.source,
        mode: 'z',
        noCopy: mount.volumeOptions?.noCopy ?? false,
        driver: mount.volumeOptions?.driver ?? '',
        labels: mount.volumeOptions?.labels ?? {},
        driverOptions: mount.volumeOptions?.driverOptions ?? {},
        subpath: checkSubpath(mount.volumeOptions?.subpath ?? '', bad),
      };
    case 'tmpfs':
      if (mount.source !== '') throw bad('field Source must not be specified');
      return { ...base, type: 'tmpfs', source: '', options: tmpfsOptions(mount, bad) };
    case 'image':
      if (mount.source === '') throw bad('field Source must not be empty');
      return {
        ...base,
        type: 'image',
        source: mount.source,
        readonly: true,
        subpath: checkSubpath(mount.imageOptions?.subpath ?? '', bad),
      };
    case 'npipe':
    case 'cluster':
      throw bad('mount type unknown');
    default:
      throw mount.type satisfies never;
  }
}

/** Below the volume, whatever links there are: that is checked where it is opened. */
function checkSubpath(subpath: string, bad: (why: string) => EngineError): string {
  const clean = posix.normalize(subpath);
  const outside = clean.startsWith('/') || clean === '..' || clean.startsWith('../');
  if (subpath !== '' && outside) throw bad('subpath must be a relative path within the volume');
  if (subpath.includes('\0')) throw bad('invalid subpath');
  return subpath === '' || clean === '.' ? '' : clean.replace(/\/+$/, '');
}

function bindOf(
  mount: MountSpec,
  exists: (path: string) => boolean,
  bad: (why: string) => EngineError,
) {
  if (mount.source === '') throw bad('field Source must not be empty');
  if (!mount.source.startsWith('/')) {
    throw bad(`invalid mount path: '${mount.source}' mount path must be absolute`);
  }
  const options = mount.bindOptions;
  const propagation = options?.propagation ?? '';
  if (propagation !== '' && !PROPAGATIONS.includes(propagation)) {
    throw bad(`invalid propagation mode: ${propagation}`);
  }
  const createSource = options?.createMountpoint ?? false;
  if (!createSource && !exists(mount.source)) {
    throw bad(`bind source path does not exist: ${mount.source}`);
  }
  if (options?.readOnlyNonRecursive && options.readOnlyForceRecursive) {
    throw bad('mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive');
  }
  return {
    type: 'bind',
    source: posix.resolve(mount.source),
    propagation: propagation === '' ? 'rprivate' : (propagation as Propagation),
    recursive: !(options?.nonRecursive ?? false),
    recursiveReadonly: options?.readOnlyNonRecursive
      ? 'no'
      : options?.readOnlyForceRecursive
        ? 'force'
        : 'yes',
    createSource,
    idmap: options?.idmap ?? false,
  } as const;
}

function checkExclusive(mount: MountSpec, bad: (why: string) => EngineError): void {
  const fields = [
    ['BindOptions', 'bind', mount.bindOptions],
    ['VolumeOptions', 'volume', mount.volumeOptions],
    ['ImageOptions', 'image', mount.imageOptions],
    ['TmpfsOptions', 'tmpfs', mount.tmpfsOptions],
  ] as const;
  for (const [name, type, value] of fields) {
    if (value !== undefined && mount.type !== type)
      throw bad(`field ${name} must not be specified`);
  }
}

function tmpfsOptions(mount: MountSpec, bad: (why: string) => EngineError): string[] {
  const options: string[] = [];
  const wish = mount.tmpfsOptions;
  if (mount.readOnly) options.push('ro');
  if (wish === undefined) return options;
  if (wish.sizeBytes < 0) throw bad('invalid tmpfs size');
  if (wish.sizeBytes > 0) options.push(`size=${wish.sizeBytes}`);
  if (wish.mode > 0) options.push(`mode=${(wish.mode & 0o7777).toString(8)}`);
  for (const option of wish.options) {
    const [name = ''] = option;
    if (option.length !== 1) throw bad('invalid option array length');
    if (name !== 'exec' && name !== 'noexec') throw bad(`invalid option: ${name}`);
    options.push(name);
  }
  return options;
}
