// A failed operation → the error that a user sees. The texts are those of Docker and runc where
// clients match on them: the docker CLI ends with 127 for "executable file not found" and "no such
// file or directory", with 126 for "permission denied" and "is a directory", else with 125.
import { constants } from 'node:os';
import { posix } from 'node:path';
import { EngineError, type ErrorCode } from '#base/error.ts';
import { errnoName, OpError } from '#kernel/native/encode.ts';
import {
  type ExecPlan,
  FAULT,
  type LaunchPlan,
  type Op,
  type OpOf,
  type OpResult,
} from '#kernel/native/op.ts';
import { errnoText } from '#kernel/native/errno.ts';

const { errno: E } = constants;

const PREFIX = {
  create:
    'failed to create task for container: failed to create shim task: ' +
    'OCI runtime create failed: coracle: unable to start container process: ',
  exec: 'OCI runtime exec failed: exec failed: unable to start container process: ',
} as const;

/**
 * The error of a launch; facts: step, op, errno, exitCode (what `docker ps` shows for it). Anything
 * that is not a failed operation is handed back as it is.
 */
export function failureOf(plan: LaunchPlan, error: unknown): unknown {
  if (!(error instanceof OpError)) return error;
  const { place, index } = error.result;
  const known = place === 'host' || place === 'join' || place === 'init' || place === 'teardown';
  return describe('create', known ? plan[place][index] : undefined, error);
}

export function describeExecFailure(plan: ExecPlan, error: unknown): unknown {
  if (!(error instanceof OpError)) return error;
  const { place, index } = error.result;
  const op = place === 'join' || place === 'init' ? plan[place][index] : undefined;
  return describe('exec', op, error);
}

function describe(verb: keyof typeof PREFIX, op: Op | undefined, cause: OpError): EngineError {
  const { result } = cause;
  const kernel = errnoText(result.errno);
  const detail = op === undefined ? `${result.op}: ${kernel}` : detailOf(op, result, kernel);
  const hint = MOUNTS.has(result.op) && KIND_ERRNOS.includes(result.errno) ? KIND_HINT : '';
  const bare = isBare(verb, result);
  const exitCode = bare ? BARE_EXIT_CODE[verb] : exitCodeOf(detail + hint);
  const message = bare ? detail : `${PREFIX[verb]}${detail}: unknown${hint}`;
  return new EngineError(codeOf(exitCode, result), message, {
    cause,
    facts: {
      step: `${result.place}[${result.index}]`,
      op: result.op,
      errno: errnoName(result.errno),
      exitCode,
    },
  });
}

/** What dockerd itself finds out, before its runtime: its texts have no prefix. */
function isBare(verb: keyof typeof PREFIX, { op, errno }: OpResult): boolean {
  if (op === 'lookup_user') return BARE_USER_FAULTS.includes(errno);
  return op === 'workdir' && verb === 'create' && errno === E.ENOTDIR;
}

const BARE_USER_FAULTS: readonly number[] = [
  FAULT.USER_UNKNOWN,
  FAULT.GROUP_UNKNOWN,
  FAULT.ID_RANGE,
];
const BARE_EXIT_CODE = { create: 128, exec: 126 } as const;

const MOUNTS: ReadonlySet<string> = new Set(['mount', 'bind', 'tmpfs']);
const KIND_ERRNOS: readonly number[] = [E.ENOTDIR, E.EISDIR];
const KIND_HINT =
  ': Are you trying to mount a directory onto a file (or vice-versa)? ' +
  'Check if the specified host path exists and is the expected type';

/** The same rules as the docker CLI's, so that the record agrees with what the client says. */
function exitCodeOf(text: string): 126 | 127 | 128 {
  if (/executable file not found|no such file or directory|not a directory/.test(text)) return 127;
  if (/permission denied|is a directory|exec format error/.test(text)) return 126;
  return 128;
}

/** What the image or the request got wrong is the caller's fault (400), as Docker has it. */
function codeOf(exitCode: number, result: OpResult): ErrorCode {
  if (exitCode !== 128 || (result.op === 'workdir' && result.errno === E.ENOTDIR)) {
    return 'invalid_argument';
  }
  if (result.op === 'lookup_user' && result.errno > 10_000) return 'invalid_argument';
  return result.errno === FAULT.BAD_PLAN ? 'internal' : 'kernel_refused';
}

function detailOf(op: Op, result: OpResult, kernel: string): string {
  switch (op.op) {
    case 'exec':
      return execDetail(op, result, kernel);
    case 'lookup_user':
      return userDetail(op, result, kernel);
    case 'workdir':
      // Docker makes the directory of a new container; the text is that of its failure.
      if (op.create === 1 && result.errno === E.ENOTDIR) {
        return `Cannot mkdir: ${op.path} is not a directory`;
      }
      return `chdir to cwd (${JSON.stringify(op.path)}) set in config.json failed: ${kernel}`;
    case 'mount':
    case 'bind':
      return mountDetail(op.source, op.target, withOutput(result, kernel));
    case 'tmpfs':
      return mountDetail('tmpfs', op.target, withOutput(result, kernel));
    case 'root_overlay':
    case 'root_overlay_joined':
      return mountDetail('overlay', '/', withOutput(result, kernel));
    case 'root_bind':
      return mountDetail(op.path, '/', kernel);
    case 'source':
      return mountDetail(op.path, op.path, kernel);
    case 'source_below':
      // As dockerd says it of a subpath.
      return `cannot access path ${posix.join(op.path, op.below)}: ${kernel}`;
    case 'source_overlay':
      return mountDetail('overlay', op.below, withOutput(result, kernel));
    case 'chown_tree':
      return `cannot give ${op.path} to the user of the container: ${kernel}`;
    case 'source_in':
      return `cannot join the ${op.path} of ${op.namespace}: ${kernel}`;
    case 'mask':
      return `can't mask path ${JSON.stringify(op.path)}: ${kernel}`;
    case 'readonly':
      return `can't make ${JSON.stringify(op.path)} read-only: ${kernel}`;
    case 'node':
      return `error creating device node ${JSON.stringify(op.path)}: ${kernel}`;
    case 'sysctl':
      return (
        `error during container init: write sysctl key ${op.key}: ` +
        `open /proc/sys/${op.key.replaceAll('.', '/')}: ${kernel}`
      );
    case 'rlimit':
      return `error setting rlimit type ${op.resource}: ${kernel}`;
    case 'cgroup_write':
      return (
        'unable to apply cgroup configuration: ' +
        `failed to write ${JSON.stringify(op.value)}: write ${op.path}: ${kernel}`
      );
    case 'mkdir':
    case 'cgroup_join':
    case 'cgroup_into':
    case 'cgroup_device':
    case 'cgroup_device_replace':
    case 'cgroup_mount':
      return `unable to apply cgroup configuration: ${op.op} ${op.path}: ${kernel}`;
    case 'setns':
      return `cannot join the namespace at ${op.path}: ${kernel}`;
    case 'seccomp':
      return `unable to init seccomp: error loading seccomp filter into kernel: ${kernel}`;
    case 'terminal':
    case 'console':
      return `cannot set up the ${op.op}: ${kernel}`;
    default:
      return `${op.op}: ${withOutput(result, kernel)}`;
  }
}

/** The kernel's own explanation, where a file system gave one (fsopen(2), "message buffer"). */
function withOutput(result: OpResult, kernel: string): string {
  // Each line begins with its kind, "e " for an error.
  const said = result.output
    .toString('utf8')
    .trim()
    .replaceAll(/^[ewi] /gm, '');
  return said === '' ? kernel : `${said}: ${kernel}`;
}

function mountDetail(source: string, target: string, kernel: string): string {
  return (
    `error mounting ${JSON.stringify(source)} to rootfs at ${JSON.stringify(target)}: ` +
    `mount ${source}:${target}: ${kernel}`
  );
}

function execDetail(op: OpOf<'exec'>, result: OpResult, kernel: string): string {
  const name = op.argv[0] ?? '';
  const quoted = JSON.stringify(name);
  switch (result.errno) {
    case FAULT.COMMAND_NOT_FOUND:
    case E.EACCES:
    case E.EISDIR:
      return `exec: ${quoted}: ${kernel}`;
    case E.ENOENT:
      return `exec: ${quoted}: stat ${name}: ${kernel}`;
    default:
      return `exec ${name}: ${kernel}`;
  }
}

function userDetail(op: OpOf<'lookup_user'>, result: OpResult, kernel: string): string {
  const [user = '', group = ''] = op.user.split(':');
  if (result.errno === FAULT.USER_UNKNOWN) return `unable to find user ${user}: ${kernel}`;
  if (result.errno === FAULT.GROUP_UNKNOWN) {
    const named = [group, ...op.groups].filter((each) => each !== '' && !/^\d+$/.test(each));
    return `unable to find group ${named[0] ?? group}: ${kernel}`;
  }
  if (result.errno === FAULT.ID_RANGE) return kernel;
  return `unable to look up user ${op.user}: ${kernel}`;
}
