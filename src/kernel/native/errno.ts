// Texts of kernel errors: strerror(3)'s in lower case, as Go writes them, because
// Docker's clients look for "no such file or directory" and "permission denied" in messages, and
// libuv's texts differ ("illegal operation on a directory").
import { constants } from 'node:os';
import { FAULT } from './op.ts';

const ERRNO: Readonly<Record<string, number>> = constants.errno;

const TEXTS: Readonly<Record<string, string>> = {
  E2BIG: 'argument list too long',
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
  EBADF: 'bad file descriptor',
  EBUSY: 'device or resource busy',
  ECHILD: 'no child processes',
  EDQUOT: 'disk quota exceeded',
  EEXIST: 'file exists',
  EFAULT: 'bad address',
  EFBIG: 'file too large',
  EINTR: 'interrupted system call',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  EMFILE: 'too many open files',
  EMLINK: 'too many links',
  ENAMETOOLONG: 'file name too long',
  ENFILE: 'too many open files in system',
  ENODEV: 'no such device',
  ENOENT: 'no such file or directory',
  ENOEXEC: 'exec format error',
  ENOMEM: 'cannot allocate memory',
  ENOSPC: 'no space left on device',
  ENOSYS: 'function not implemented',
  ENOTDIR: 'not a directory',
  ENOTEMPTY: 'directory not empty',
  ENOTSUP: 'operation not supported',
  ENXIO: 'no such device or address',
  EOPNOTSUPP: 'operation not supported',
  EOVERFLOW: 'value too large for defined data type',
  EPERM: 'operation not permitted',
  EPIPE: 'broken pipe',
  ERANGE: 'numerical result out of range',
  EROFS: 'read-only file system',
  ESRCH: 'no such process',
  ESTALE: 'stale file handle',
  ETXTBSY: 'text file busy',
  EUSERS: 'too many users',
  EXDEV: 'invalid cross-device link',
};

const BY_NUMBER: ReadonlyMap<number, string> = new Map(
  Object.entries(TEXTS).map(([name, text]) => [Number(ERRNO[name]), text]),
);

const FAULT_TEXTS: Readonly<Record<keyof typeof FAULT, string>> = {
  COMMAND_NOT_FOUND: 'executable file not found in $PATH',
  USER_UNKNOWN: 'no matching entries in passwd file',
  GROUP_UNKNOWN: 'no matching entries in group file',
  ID_RANGE: 'uids and gids must be in range 0-2147483647',
  NOT_CONFINED: 'the path leads outside of the container or was exchanged meanwhile',
  CWD_OUTSIDE: 'current working directory is outside of container mount namespace root',
  BAD_PLAN: 'the operation cannot stand at this place of a plan',
  TOO_MANY: 'a limit of the engine is exceeded',
  OVER_DIRECTORY: 'cannot overwrite directory with non-directory',
  OVER_FILE: 'cannot overwrite non-directory with directory',
};

const FAULT_NAMES: ReadonlyMap<number, keyof typeof FAULT> = new Map(
  Object.entries(FAULT).map(([name, number]) => [number, name as keyof typeof FAULT]),
);

export function errnoText(errno: number): string {
  const fault = FAULT_NAMES.get(errno);
  if (fault !== undefined) return FAULT_TEXTS[fault];
  return BY_NUMBER.get(errno) ?? `errno ${errno}`;
}
