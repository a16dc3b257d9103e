// The texts that the docker CLI turns into exit codes.
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { EngineError } from '#base/error.ts';
import { OpError } from '#kernel/native/encode.ts';
import { FAULT, type LaunchPlan, type Op } from '#kernel/native/op.ts';
import { describeExecFailure, failureOf } from './failure.ts';

const { errno: E } = constants;
const EXEC: Op = { op: 'exec', argv: ['foo'], env: [], reaper: 0 };

function failed(op: Op, errno: number, output = ''): EngineError {
  const plan: LaunchPlan = {
    stdio: { tty: false, stdin: 'none' },
    log: { driver: 'none' },
    host: [],
    join: [],
    cloneFlags: 0,
    init: [{ op: 'ready' }, op],
    teardown: [],
  };
  const result = {
    place: 'init',
    index: 1,
    op: op.op,
    errno,
    nanoseconds: 1,
    output: Buffer.from(output),
  } as const;
  const error = failureOf(plan, new OpError(result, [result]));
  assert.ok(error instanceof EngineError);
  return error;
}

const CREATE =
  'failed to create task for container: failed to create shim task: ' +
  'OCI runtime create failed: coracle: unable to start container process: ';

const CASES: readonly (readonly [op: Op, errno: number, detail: string, exitCode: number])[] = [
  [EXEC, FAULT.COMMAND_NOT_FOUND, 'exec: "foo": executable file not found in $PATH', 127],
  [{ ...EXEC, argv: ['/x'] }, E.ENOENT, 'exec: "/x": stat /x: no such file or directory', 127],
  [{ ...EXEC, argv: ['/x'] }, E.EACCES, 'exec: "/x": permission denied', 126],
  [{ ...EXEC, argv: ['/x'] }, E.EISDIR, 'exec: "/x": is a directory', 126],
  [{ ...EXEC, argv: ['/x'] }, E.ENOEXEC, 'exec /x: exec format error', 126],
  [
    { op: 'lookup_user', user: 'foo', groups: [] },
    FAULT.USER_UNKNOWN,
    'unable to find user foo: no matching entries in passwd file',
    128,
  ],
  [
    { op: 'lookup_user', user: '1:bar', groups: [] },
    FAULT.GROUP_UNKNOWN,
    'unable to find group bar: no matching entries in group file',
    128,
  ],
  [
    { op: 'lookup_user', user: '9999999999', groups: [] },
    FAULT.ID_RANGE,
    'uids and gids must be in range 0-2147483647',
    128,
  ],
  [
    { op: 'workdir', path: '/x', create: 0 },
    E.ENOENT,
    'chdir to cwd ("/x") set in config.json failed: no such file or directory',
    127,
  ],
  [
    { op: 'rlimit', resource: 7, soft: 1, hard: 2 },
    E.EPERM,
    'error setting rlimit type 7: operation not permitted',
    128,
  ],
  [
    { op: 'cgroup_write', path: '/c/pids.max', value: 'x' },
    E.EINVAL,
    'unable to apply cgroup configuration: failed to write "x": ' +
      'write /c/pids.max: invalid argument',
    128,
  ],
];

for (const [op, errno, detail, exitCode] of CASES) {
  test(`${op.op}: ${detail}`, () => {
    const error = failed(op, errno);
    assert.equal(error.message, `${CREATE}${detail}: unknown`);
    assert.equal(error.facts['exitCode'], exitCode);
    assert.equal(error.facts['step'], 'init[1]');
    assert.equal(error.facts['op'], op.op);
  });
}

test('a mount of the wrong kind gets the hint of Docker', () => {
  const op: Op = {
    op: 'bind',
    source: '/s',
    target: '/t',
    flags: 0,
    attr_set: 0,
    attr_clear: 0,
    propagation: 0,
  };
  const { message } = failed(op, E.ENOTDIR);
  assert.ok(
    message.includes('error mounting "/s" to rootfs at "/t": mount /s:/t: not a directory'),
  );
  assert.match(message, /Are you trying to mount a directory onto a file \(or vice-versa\)\?/);
});

test('what a file system says about its options is passed on', () => {
  const op: Op = {
    op: 'mount',
    fstype: 'tmpfs',
    source: 'tmpfs',
    target: '/t',
    attr: 0,
    options: ['size=x'],
  };
  assert.match(
    failed(op, E.EINVAL, "e tmpfs: Bad value for 'size'\n").message,
    /Bad value for 'size'/,
  );
});

test('what the user got wrong is invalid_argument, what the kernel refused is not', () => {
  assert.equal(failed(EXEC, FAULT.COMMAND_NOT_FOUND).code, 'invalid_argument');
  assert.equal(
    failed({ op: 'lookup_user', user: 'x', groups: [] }, FAULT.USER_UNKNOWN).code,
    'invalid_argument',
  );
  assert.equal(failed({ op: 'pivot_root' }, E.EBUSY).code, 'kernel_refused');
  assert.equal(failed({ op: 'pivot_root' }, FAULT.BAD_PLAN).code, 'internal');
});

test('an exec fails with the words of an exec', () => {
  const result = {
    place: 'init',
    index: 0,
    op: 'exec',
    errno: FAULT.COMMAND_NOT_FOUND,
    nanoseconds: 1,
    output: Buffer.alloc(0),
  } as const;
  const plan = { stdio: { tty: false, stdin: 'none' }, join: [], init: [EXEC] } as const;
  const error = describeExecFailure(plan, new OpError(result, [result]));
  assert.ok(error instanceof EngineError);
  assert.equal(
    error.message,
    'OCI runtime exec failed: exec failed: unable to start container process: ' +
      'exec: "foo": executable file not found in $PATH: unknown',
  );
});

test('any other error is handed back as it is', () => {
  const error = new Error('the monitor went away');
  assert.equal(failureOf({} as LaunchPlan, error), error);
});
