// User and group names → numbers, for a runtime that takes only numbers. Read from the layer
// directories as they lie on the host: the top-most file wins, as in the overlay; links are
// refused, because on the host they would lead out of the container.
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errnoOf } from '#base/error.ts';
import type { BoxRoot } from '../box.ts';
import type { OciUser } from '../oci.ts';

/** As PASSWD_BYTES_MAX of the C program. */
export const PASSWD_BYTES_MAX = 4 * 1024 * 1024;
const ID_MAX = 2_147_483_647;

type Entry = readonly string[];

/** The lines of a passwd or group file, cut at the colons. */
function entries(text: string): Entry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}

/** The directories of a root, the top one first. */
export function layersOf(mount: BoxRoot['mount']): readonly string[] {
  return mount.kind === 'bind' ? [mount.path] : [mount.upper, ...mount.lower];
}

/** `user` as in Docker: "", "name", "1000", "name:group", ":group"; `groups` are added. */
export function resolveUser(
  mount: BoxRoot['mount'],
  user: string,
  groups: readonly string[],
): OciUser {
  const layers = layersOf(mount);
  const [name = '', group = ''] = user.split(':');
  const passwd = entries(readTop(layers, 'passwd'));
  const groupFile = entries(readTop(layers, 'group'));
  const wanted = parseId(name === '' ? '0' : name);
  const found = passwd.find((entry) =>
    wanted === undefined ? entry[0] === name : parseId(entry[2]) === wanted,
  );
  const uid = wanted ?? parseId(found?.[2]);
  if (uid === undefined) throw unknown('user', name, 'passwd');
  const login = found?.[0];
  const gid = group === '' ? (parseId(found?.[3]) ?? 0) : findGroup(groupFile, group);
  const own =
    group === '' && login !== undefined
      ? groupFile
          .filter((entry) => (entry[3] ?? '').split(',').includes(login))
          .flatMap((entry) => parseId(entry[2]) ?? [])
      : [];
  const added = groups.map((each) => findGroup(groupFile, each));
  return { uid, gid, additionalGids: [...new Set([...own, ...added])] };
}

function findGroup(groupFile: readonly Entry[], name: string): number {
  const id = parseId(name) ?? parseId(groupFile.find((entry) => entry[0] === name)?.[2]);
  if (id === undefined) throw unknown('group', name, 'group');
  return id;
}

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  if (Number(text) <= ID_MAX) return Number(text);
  throw new EngineError('invalid_argument', `uids and gids must be in range 0-${ID_MAX}`);
}

function unknown(kind: string, name: string, file: string): EngineError {
  return new EngineError(
    'invalid_argument',
    `unable to find ${kind} ${name}: no matching entries in ${file} file`,
  );
}

/** etc/NAME of the top-most layer that has it, or that says there is none. */
function readTop(layers: readonly string[], name: string): string {
  for (const layer of layers) {
    const etc = kindOf(join(layer, 'etc'));
    if (etc === 'missing') continue;
    if (etc === 'link') throw refused('/etc');
    if (etc !== 'directory') return ''; // a whiteout, or a file in its place
    const file = kindOf(join(layer, 'etc', name));
    if (file === 'missing') continue;
    if (file === 'link') throw refused(`/etc/${name}`);
    return file === 'file' ? readSmall(join(layer, 'etc', name)) : '';
  }
  return '';
}

function refused(path: string): EngineError {
  return new EngineError(
    'invalid_argument',
    `cannot look up users: ${path} is a symbolic link; name the user by number`,
  );
}

function kindOf(path: string): 'missing' | 'link' | 'directory' | 'file' | 'other' {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'missing';
  if (stat.isSymbolicLink()) return 'link';
  return stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
}

function readSmall(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ELOOP') throw refused(path);
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    if (size > PASSWD_BYTES_MAX) {
      throw new EngineError('limit_exceeded', `${path} has more than ${PASSWD_BYTES_MAX} bytes`);
    }
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
