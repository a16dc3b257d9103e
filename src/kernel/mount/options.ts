// Mount options as people write them ("rw,noexec,size=64m"), split into what the kernel takes
// apart: attributes of the mount, propagation, and options of the file system.
import { EngineError } from '#base/error.ts';
import { isPropagation, MOUNT_ATTR, type Propagation } from './flags.ts';

export type MountOptions = {
  /** MOUNT_ATTR bits to set and to clear, as mount_setattr(2) takes them. */
  readonly attrSet: number;
  readonly attrClear: number;
  readonly propagation?: Propagation;
  readonly bind?: 'bind' | 'rbind';
  /** For fsconfig(2): "size=64m", "sync". */
  readonly options: readonly string[];
};

type Attribute = { readonly set: number; readonly clear: number };

const on = (bit: number): Attribute => ({ set: bit, clear: 0 });
const off = (bit: number): Attribute => ({ set: 0, clear: bit });
const atime = (mode: number): Attribute => ({ set: mode, clear: MOUNT_ATTR.ATIME });

const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map([
  ['ro', on(MOUNT_ATTR.RDONLY)],
  ['rw', off(MOUNT_ATTR.RDONLY)],
  ['nosuid', on(MOUNT_ATTR.NOSUID)],
  ['suid', off(MOUNT_ATTR.NOSUID)],
  ['nodev', on(MOUNT_ATTR.NODEV)],
  ['dev', off(MOUNT_ATTR.NODEV)],
  ['noexec', on(MOUNT_ATTR.NOEXEC)],
  ['exec', off(MOUNT_ATTR.NOEXEC)],
  ['nosymfollow', on(MOUNT_ATTR.NOSYMFOLLOW)],
  ['symfollow', off(MOUNT_ATTR.NOSYMFOLLOW)],
  ['nodiratime', on(MOUNT_ATTR.NODIRATIME)],
  ['diratime', off(MOUNT_ATTR.NODIRATIME)],
  ['relatime', atime(MOUNT_ATTR.RELATIME)],
  ['noatime', atime(MOUNT_ATTR.NOATIME)],
  ['strictatime', atime(MOUNT_ATTR.STRICTATIME)],
  // The default mode of the kernel is relatime: taking back another mode gives it.
  ['atime', atime(MOUNT_ATTR.RELATIME)],
  ['norelatime', atime(MOUNT_ATTR.RELATIME)],
  ['nostrictatime', atime(MOUNT_ATTR.RELATIME)],
]);

/** Flags of the super block, which fsconfig(2) takes by name; each undoes the one beside it. */
const SUPER_FLAGS: ReadonlyMap<string, string> = new Map([
  ['sync', 'async'],
  ['async', 'sync'],
  ['dirsync', 'dirsync'],
  ['lazytime', 'nolazytime'],
  ['nolazytime', 'lazytime'],
  ['mand', 'nomand'],
  ['nomand', 'mand'],
]);

/** Names with a value that tmpfs(5) takes and Docker lets through. */
const TMPFS_VALUES = new Set(['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol']);
const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev', 'rprivate'];

/** The options of `--tmpfs /path:OPTIONS`, over Docker's defaults. A later word wins. */
export function parseTmpfsOptions(text: string): MountOptions {
  const words = text === '' ? [] : text.split(',');
  for (const word of words) {
    if (word === 'defaults' || isFlag(word)) continue;
    const [name = '', ...value] = word.split('=');
    if (value.length === 0 || !TMPFS_VALUES.has(name)) throw invalidTmpfs(word);
  }
  return fold([...TMPFS_DEFAULTS, ...words]);
}

/** The options of a volume of the local driver (`-o o=...`): unknown words go to the kernel. */
export function parseMountOptions(text: string): MountOptions {
  return fold(text === '' ? [] : text.split(','));
}

function isFlag(word: string): boolean {
  return ATTRIBUTES.has(word) || SUPER_FLAGS.has(word) || isPropagation(word);
}

function fold(words: readonly string[]): MountOptions {
  let attrSet = 0;
  let attrClear = 0;
  let propagation: Propagation | undefined;
  let bind: 'bind' | 'rbind' | undefined;
  const options = new Map<string, string>();
  for (const word of words) {
    const attribute = ATTRIBUTES.get(word);
    const opposite = SUPER_FLAGS.get(word);
    if (attribute !== undefined) {
      attrSet = (attrSet & ~attribute.clear) | attribute.set;
      attrClear = (attrClear & ~attribute.set) | attribute.clear;
    } else if (isPropagation(word)) {
      propagation = word;
    } else if (word === 'bind' || word === 'rbind') {
      bind = word;
    } else if (word !== 'defaults' && word !== '') {
      if (opposite !== undefined) options.delete(opposite);
      options.set(word.split('=')[0] ?? word, word);
    }
  }
  return {
    attrSet,
    attrClear: attrClear | (attrSet & MOUNT_ATTR.ATIME ? MOUNT_ATTR.ATIME : 0),
    ...(propagation === undefined ? {} : { propagation }),
    ...(bind === undefined ? {} : { bind }),
    options: [...options.values()],
  };
}

/** Docker prints the word split at its first "=", in Go's notation for a list of texts. */
function invalidTmpfs(word: string): EngineError {
  const at = word.indexOf('=');
  const parts = at === -1 ? [word] : [word.slice(0, at), word.slice(at + 1)];
  const quoted = parts.map((part) => JSON.stringify(part)).join(' ');
  return new EngineError('invalid_argument', `invalid tmpfs option [${quoted}]`);
}
