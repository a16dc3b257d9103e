// What a container sees as the attributes of "/": those that its image's archive gave the root.
import { chmod, chown } from 'node:fs/promises';
import type { RootAttributes } from './layer-record.ts';

export const DEFAULT_ROOT: RootAttributes = { mode: 0o755, uid: 0, gid: 0 };

/** A new directory has the defaults already (the daemon's umask is 022): then this does nothing. */
export async function setAttributes(path: string, attributes: RootAttributes): Promise<void> {
  const { mode, uid, gid } = attributes;
  if (uid !== DEFAULT_ROOT.uid || gid !== DEFAULT_ROOT.gid) await chown(path, uid, gid);
  if (mode !== DEFAULT_ROOT.mode) await chmod(path, mode);
}
