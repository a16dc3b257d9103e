// Which extended attributes of an archive are kept when it is unpacked.
import type { EntryKind } from '#tar/decode.ts';

/**
 * File capabilities and what users wrote. Everything else says something to a kernel subsystem of
 * the host: trusted.overlay.* would steer the union mount itself.
 */
export function keepsXattr(name: string, kind: EntryKind): boolean {
  if (name === 'security.capability') return kind === 'file';
  if (name.startsWith('user.overlay.')) return false;
  // user.* exists only on files and directories, xattr(7).
  return name.startsWith('user.') && name.length <= 255 && (kind === 'file' || kind === 'dir');
}
