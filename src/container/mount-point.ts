// -v, --mount, --tmpfs and the image's VOLUMEs → a list of mounts to be. Pure, but for the question
// whether a source exists, which is an argument. Texts are dockerd's
// (volume/mounts/linux_parser.go).
import { posix } from 'node:path';
import { EngineError } from '#base/error.ts';
import type { Propagation } from '#runtime/box.ts';
import type { HostConfig, MountSpec } from './spec.ts';

/** A mount as asked for; names of volumes are not resolved yet. */
export type MountWish = {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** Host path, volume name, or "" for an anonymous volume or tmpfs. */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** As given after the second colon; shown by inspect. */
  readonly mode: string;
  readonly propagation: Propagation;
  readonly recursive: boolean;
  readonly recursiveReadonly: 'no' | 'yes' | 'force';
  readonly createSource: boolean;
  readonly noCopy: boolean;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly driverOptions: Readonly<Record<string, string>>;
  /** tmpfs options. */
  readonly options: readonly string[];
};

export const MOUNTS_MAX = 1024;
const PROPAGATIONS: readonly string[] = [
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
] satisfies readonly Propagation[];
const MODE_GROUPS: readonly (readonly string[])[] = [
  ['rw', 'ro'],
  ['z', 'Z'],
  PROPAGATIONS,
  ['nocopy'],
  ['consistent', 'cached', 'delegated'],
];

const PLAIN = {
  readonly: false,
  mode: '',
  propagation: 'rprivate',
  recursive: true,
  recursiveReadonly: 'yes',
  createSource: false,
  noCopy: false,
  driver: '',
  labels: {},
  driverOptions: {},
  options: [],
} as const satisfies Partial<MountWish>;

/** All mounts of a container, parents before children; the image's volumes yield to the user's. */
export function planMounts(
  host: Pick<HostConfig, 'binds' | 'mounts' | 'tmpfs' | 'volumeDriver'>,
  imageVolumes: readonly string[],
  exists: (path: string) => boolean,
): readonly MountWish[] {
  const wishes = new Map<string, MountWish>();
  const add = (wish: MountWish): void => {
    if (wishes.has(wish.target)) throw invalid(`Duplicate mount point: ${wish.target}`);
    wishes.set(wish.target, wish);
    if (wishes.size > MOUNTS_MAX) {
      throw new EngineError('limit_exceeded', `more than ${MOUNTS_MAX} mounts in one container`);
    }
  };
  for (const bind of host.binds) add(parseBind(bind, host.volumeDriver));
  for (const mount of host.mounts) add(parseMount(mount, exists));
  for (const [target, options] of Object.entries(host.tmpfs)) add(parseTmpfs(target, options));
  for (const volume of imageVolumes) {
    const target = checkTarget(volume);
    if (!wishes.has(target)) {
      add({ ...PLAIN, type: 'volume', source: '', target, driver: host.volumeDriver });
    }
  }
  return sortByDepth([...wishes.values()]);
}

/** A mount over a parent would hide its children; the order given decides among equals. */
export function sortByDepth<T extends { readonly target: string }>(mounts: readonly T[]): T[] {
  const depth = (target: string): number => target.split('/').filter((part) => part !== '').length;
  return mounts.toSorted((a, b) => depth(a.target) - depth(b.target));
}

/** "/host:/inside:ro,rslave", "name:/inside", "/inside". */
export function parseBind(text: string, volumeDriver: string): MountWish {
  const spec = `invalid volume specification: '${text}'`;
  const parts = text.split(':');
  const [first = '', second, mode = ''] = parts;
  if (first === '' || parts.length > 3) throw invalid(spec);
  if (parts.length === 2 && second !== undefined && validMode(second)) throw invalid(spec);
  if (!validMode(mode)) throw invalid(`invalid mode: ${mode}`);
  const source = second === undefined ? '' : first;
  const target = checkTarget(second ?? first, `${spec}: `);
  const words = mode.split(',');
  const isBind = source.startsWith('/');
  if (!isBind && source !== '') checkVolumeName(source);
  const propagation = words.find((word) => PROPAGATIONS.includes(word));
  if (propagation !== undefined && !isBind) {
    throw invalid(
      `${spec}: invalid mount config for type "volume": field BindOptions must not be specified`,
    );
  }
  return {
    ...PLAIN,
    type: isBind ? 'bind' : 'volume',
    source: isBind ? posix.resolve(source) : source,
    target,
    readonly: words.includes('ro'),
    mode,
    propagation: (propagation as Propagation | undefined) ?? 'rprivate',
    createSource: isBind,
    noCopy: words.includes('nocopy'),
    driver: isBind ? '' : volumeDriver,
  };
}

/** One word of each kind at most; "" is no mode at all. */
function validMode(mode: string): boolean {
  if (mode === '') return true;
  const seen = new Set<number>();
  for (const word of mode.split(',')) {
    const group = MODE_GROUPS.findIndex((words) => words.includes(word));
    if (group === -1 || seen.has(group)) return false;
    seen.add(group);
  }
  return true;
}

function parseMount(mount: MountSpec, exists: (path: string) => boolean): MountWish {
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
      if (mount.volumeOptions !== undefined && mount.volumeOptions.subpath !== '') {
        throw new EngineError('not_implemented', 'volume-subpath is not supported yet');
      }
      return {
        ...base,
        type: 'volume',
        source: mount.source,
        mode: 'z',
        noCopy: mount.volumeOptions?.noCopy ?? false,
        driver: mount.volumeOptions?.driver ?? '',
        labels: mount.volumeOptions?.labels ?? {},
        driverOptions: mount.volumeOptions?.driverOptions ?? {},
      };
    case 'tmpfs':
      if (mount.source !== '') throw bad('field Source must not be specified');
      return { ...base, type: 'tmpfs', source: '', options: tmpfsOptions(mount, bad) };
    case 'image':
      throw new EngineError('not_implemented', 'mounts of type image are not supported yet');
    case 'npipe':
    case 'cluster':
      throw bad('mount type unknown');
    default:
      throw mount.type satisfies never;
  }
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

const TMPFS_FLAGS = new Set([
  'ro',
  'rw',
  'exec',
  'noexec',
  'suid',
  'nosuid',
  'dev',
  'nodev',
  'atime',
  'noatime',
  'diratime',
  'nodiratime',
  'relatime',
  'norelatime',
  'strictatime',
  'nostrictatime',
  'sync',
  'async',
  'defaults',
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
  'mand',
  'nomand',
  'bind',
  'rbind',
  'remount',
  'dirsync',
  'unbindable',
  'runbindable',
]);
const TMPFS_KEYS = new Set(['mode', 'uid', 'gid', 'size', 'nr_inodes', 'nr_blocks', 'mpol']);

/** `--tmpfs /t:size=64m,noexec`. */
function parseTmpfs(path: string, text: string): MountWish {
  const target = checkTarget(path);
  const options = text.split(',').filter((option) => option !== '');
  for (const option of options) {
    const [key = ''] = option.split('=', 1);
    const known = option.includes('=') ? TMPFS_KEYS.has(key) : TMPFS_FLAGS.has(option);
    if (!known) throw invalid(`Invalid tmpfs option ${JSON.stringify(option)}`);
  }
  return {
    ...PLAIN,
    type: 'tmpfs',
    source: '',
    target,
    readonly: options.includes('ro'),
    mode: text,
    options,
  };
}

/** Clean, absolute, and not the root itself. */
function checkTarget(target: string, context = ''): string {
  if (!target.startsWith('/')) {
    throw invalid(`${context}invalid mount path: '${target}' mount path must be absolute`);
  }
  if (target.includes('\0')) throw invalid(`${context}invalid mount path`);
  const clean = posix.normalize(target).replace(/(?<=.)\/+$/, '');
  if (clean === '/') throw invalid(`${context}invalid specification: destination can't be '/'`);
  return clean;
}

function checkVolumeName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only ` +
      '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use ' +
      'absolute path',
  );
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', text);
}
