// `--tmpfs TARGET:OPTIONS`. Pure.
import { checkTarget, invalid, type MountWish, PLAIN } from './mount-wish.ts';

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
export function parseTmpfs(path: string, text: string): MountWish {
  const target = checkTarget(path);
  const options = text.split(',').filter((option) => option !== '');
  for (const option of options) {
    const [key = ''] = option.split('=', 1);
    const known = option.includes('=') ? TMPFS_KEYS.has(key) : TMPFS_FLAGS.has(option);
    if (!known) {
      // Split at its first "=", in Go's notation for a list of texts.
      const parts = option.split(/=(.*)/s, 2).map((part) => JSON.stringify(part));
      throw invalid(`invalid tmpfs option [${parts.join(' ')}]`);
    }
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
