// Actions of a seccomp filter: the names of the OCI runtime spec (config-linux.md, "Seccomp") and
// the values that a filter returns (seccomp(2)).
import { EngineError } from '#base/error.ts';

const RET = {
  SCMP_ACT_KILL: 0x0000_0000, // as KILL_THREAD: the old name
  SCMP_ACT_KILL_THREAD: 0x0000_0000,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
} as const;
export type SeccompAction = keyof typeof RET;

export const ERRNO = { EPERM: 1, ENOSYS: 38 } as const;
/** SECCOMP_RET_DATA has 16 bits; of an errno the kernel takes no more than MAX_ERRNO. */
const DATA_MAX = 0xffff;
const ERRNO_MAX = 4095;

export const RET_KILL_PROCESS = RET.SCMP_ACT_KILL_PROCESS;
export const RET_ENOSYS = RET.SCMP_ACT_ERRNO | ERRNO.ENOSYS;

export function parseAction(text: string): SeccompAction {
  if (Object.hasOwn(RET, text)) return text as SeccompAction;
  if (text === 'SCMP_ACT_NOTIFY') {
    throw new EngineError(
      'invalid_argument',
      'seccomp action SCMP_ACT_NOTIFY is not supported: there is no listener to ask',
    );
  }
  throw new EngineError('invalid_argument', `string ${text} is not a valid action for seccomp`);
}

/** The value a filter returns. An errno goes with ERRNO and TRACE only; EPERM is its default. */
export function returnValue(action: SeccompAction, errnoRet: number | undefined): number {
  const withData = action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE';
  if (!withData) return RET[action];
  const errno = errnoRet ?? ERRNO.EPERM;
  const max = action === 'SCMP_ACT_TRACE' ? DATA_MAX : ERRNO_MAX;
  if (!Number.isInteger(errno) || errno < 0 || errno > max) {
    throw new EngineError(
      'invalid_argument',
      `seccomp: errnoRet ${errno} is not within 0 to ${max}`,
    );
  }
  return (RET[action] | errno) >>> 0;
}
