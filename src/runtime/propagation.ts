// Whether mounts can come out of a bind, or into it, as it asks for: what it shows must pass them
// on.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { EngineError } from '#base/error.ts';
import { mountOf } from '#kernel/mount/mountinfo.ts';

/** Throws invalid_argument: without it the container would wait for mounts that never come. */
export function checkPropagation(source: string, wanted: string): void {
  const slave = wanted.endsWith('slave');
  if ((!slave && !wanted.endsWith('shared')) || !existsSync(source)) return; // the mount tells
  const mount = mountOf(realpathSync(source), readFileSync('/proc/self/mountinfo', 'utf8'));
  if (mount === undefined || mount.shared || (slave && mount.slave)) return;
  const kind = slave ? 'shared or slave' : 'shared';
  throw new EngineError(
    'invalid_argument',
    `path ${source} is mounted on ${mount.path} but it is not a ${kind} mount; ` +
      `\`mount --make-shared ${mount.path}\` makes it one`,
  );
}
