import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DetachScanner, parseDetachKeys } from './detach-keys.ts';
import { type ImageConfig, mergeConfig, mergeEnv } from './merge.ts';
import { portKeys } from './publish.ts';
import { generateName, parseName } from './name.ts';
import { PLAIN_CONFIG } from './plain-spec.ts';
import {
  checkRestartPolicy,
  nextDelayMs,
  shouldRestart,
  shouldStartAtBoot,
} from './restart-policy.ts';
import { parseSecurityOpt } from './security.ts';
import { parseSignal } from './signal.ts';
import type { ContainerConfig } from './spec.ts';
import { allows, VERBS } from './state.ts';

const image: ImageConfig = {
  user: 'app',
  exposedPorts: ['80/tcp'],
  env: ['PATH=/bin', 'A=1'],
  entrypoint: ['/entry'],
  cmd: ['serve'],
  volumes: ['/data'],
  workingDir: '/srv',
  labels: { a: 'image', b: 'image' },
  stopSignal: 'SIGQUIT',
  healthcheck: undefined,
};
const config: ContainerConfig = { ...PLAIN_CONFIG, cmd: undefined, image: 'x' };

function argv(change: Partial<ContainerConfig>, from = image): readonly string[] {
  const merged = mergeConfig({ ...config, ...change }, from);
  return [merged.path, ...merged.args];
}

test('the command is merged as Docker does', () => {
  assert.deepEqual(argv({}), ['/entry', 'serve']);
  assert.deepEqual(argv({ cmd: ['sh'] }), ['/entry', 'sh']);
  assert.deepEqual(argv({ entrypoint: ['/mine'] }), ['/mine']);
  assert.deepEqual(argv({ entrypoint: ['/mine'], cmd: ['x'] }), ['/mine', 'x']);
  assert.deepEqual(argv({ entrypoint: [''], cmd: ['x'] }), ['x']);
  assert.deepEqual(argv({ entrypoint: [] }), ['serve']);
  // Not found when it starts (127), as Docker: it is a command.
  assert.deepEqual(argv({ cmd: [''] }, { ...image, entrypoint: undefined }), ['']);
  assert.deepEqual(argv({ cmd: ['x'] }, { ...image, entrypoint: [''] }), ['x']);
});

test('no command at all is refused', () => {
  const refused = { code: 'invalid_argument', message: 'no command specified' };
  assert.throws(() => argv({ entrypoint: [''] }), refused);
  const bare = { ...image, entrypoint: undefined, cmd: undefined };
  assert.throws(() => argv({ cmd: [] }, bare), refused);
});

test('the user wins over the image, name by name', () => {
  const env = mergeEnv(['PATH=/bin', 'A=1', 'B=2'], ['A=9', 'C=3', 'B']);
  assert.deepEqual(env, ['PATH=/bin', 'A=9', 'C=3']);
  const merged = mergeConfig({ ...config, labels: { a: 'user' }, user: '5' }, image);
  assert.deepEqual(merged.labels, { a: 'user', b: 'image' });
  assert.equal(merged.user, '5');
  assert.equal(merged.workingDir, '/srv');
  assert.deepEqual(merged.volumes, ['/data']);
});

test('a port that an image exposes in no known way keeps nobody from its containers', () => {
  const odd = { ...image, exposedPorts: ['80/tcp', '90/icmp', '70000', 'x'] };
  const merged = mergeConfig({ ...config, exposedPorts: ['53/udp'] }, odd);
  assert.deepEqual(merged.exposedPorts, ['80/tcp', '53/udp']);
  const many = ['1-65535/tcp', '1-65535/udp', '1-65535/sctp', '1-65534/tcp'];
  assert.equal(portKeys(many.slice(0, 3)).length, 3 * 65_535);
  const code = 'limit_exceeded';
  assert.throws(() => mergeConfig(config, { ...image, exposedPorts: many }), { code });
});

test('names follow Docker', () => {
  assert.equal(parseName('/web-1'), 'web-1');
  for (const bad of ['', 'a', '-a', 'a b', 'ä1', '/', 'a/b']) {
    assert.throws(() => parseName(bad), {
      message: /^Invalid container name \(.*\), only \[a-zA-Z0-9\]/,
    });
  }
  assert.match(generateName(0), /^[a-z]+_[a-z]+$/);
  assert.match(generateName(1), /^[a-z]+_[a-z]+\d$/);
});

test('detach keys are found in one chunk, over chunks, and after a false start', () => {
  const scan = (keys: string, ...chunks: string[]) => {
    const scanner = new DetachScanner(parseDetachKeys(keys));
    let passed = '';
    for (const chunk of chunks) {
      const { pass, detached } = scanner.scan(Buffer.from(chunk));
      passed += Buffer.from(pass).toString();
      if (detached) return [passed, true];
    }
    return [passed, false];
  };
  assert.deepEqual(scan('', 'ls\n\x10\x11rest'), ['ls\n', true]);
  assert.deepEqual(scan('', 'a\x10', '\x11'), ['a', true]);
  assert.deepEqual(scan('', 'a\x10', 'b'), ['a\x10b', false]);
  assert.deepEqual(scan('', '\x10\x10', '\x11'), ['\x10', true]);
  assert.deepEqual(scan('a,a,b', 'aaab'), ['a', true]);
  assert.deepEqual(scan('ctrl-a', 'x\x01y'), ['x', true]);
});

test('bad detach keys are refused', () => {
  for (const bad of ['ctrl-', 'ctrl-1', 'ab', 'ctrl-p,', 'strg-p']) {
    assert.throws(() => parseDetachKeys(bad), { message: `Invalid escape keys (${bad}) provided` });
  }
});

test('restart delays double to a minute and are forgotten after ten seconds of running', () => {
  assert.equal(nextDelayMs(0, 5), 100);
  assert.equal(nextDelayMs(100, 5), 200);
  assert.equal(nextDelayMs(51_200, 5), 60_000);
  assert.equal(nextDelayMs(60_000, 10_000), 100);
});

test('restart policies decide by exit code, count, and whether somebody stopped it', () => {
  const facts = { exitCode: 1, restartCount: 2, manuallyStopped: false };
  const policy = (
    name: 'no' | 'always' | 'unless-stopped' | 'on-failure',
    maximumRetryCount = 0,
  ) => ({ name, maximumRetryCount });
  assert.equal(shouldRestart(policy('no'), facts), false);
  assert.equal(shouldRestart(policy('always'), { ...facts, exitCode: 0 }), true);
  assert.equal(shouldRestart(policy('always'), { ...facts, manuallyStopped: true }), false);
  assert.equal(shouldRestart(policy('on-failure'), { ...facts, exitCode: 0 }), false);
  assert.equal(shouldRestart(policy('on-failure', 3), facts), true);
  assert.equal(shouldRestart(policy('on-failure', 2), facts), false);
  const stopped = { ...facts, manuallyStopped: true, hasRun: true };
  assert.equal(shouldStartAtBoot(policy('always'), stopped), true);
  assert.equal(shouldStartAtBoot(policy('unless-stopped'), stopped), false);
  assert.equal(shouldStartAtBoot(policy('always'), { ...stopped, hasRun: false }), false);
  assert.throws(() => checkRestartPolicy(policy('always', 1), false), { code: 'invalid_argument' });
  assert.throws(() => checkRestartPolicy(policy('always'), true), { code: 'invalid_argument' });
});

test('security options are read as dockerd reads them', () => {
  const defaults = { noNewPrivileges: false, seccomp: 'builtin' } as const;
  const parse = (...options: string[]) => parseSecurityOpt(options, defaults);
  assert.equal(parse('no-new-privileges').noNewPrivileges, true);
  assert.equal(parse('no-new-privileges:true').noNewPrivileges, true);
  assert.equal(parse('no-new-privileges=false').noNewPrivileges, false);
  assert.equal(parse('seccomp=unconfined').seccomp, 'unconfined');
  assert.deepEqual(parse('seccomp={"a":1}').seccomp, { profile: { a: 1 } });
  assert.deepEqual(parse('label=disable', 'apparmor=unconfined'), defaults);
  assert.throws(() => parse('x'), { message: 'invalid --security-opt 1: "x"' });
  assert.throws(() => parse('x=y'), { message: 'invalid --security-opt 2: "x=y"' });
  assert.throws(() => parse('seccomp={'), { message: /^Decoding seccomp profile failed/ });
});

test('signals are read by number and by name', () => {
  assert.equal(parseSignal('9'), 9);
  assert.equal(parseSignal('SIGTERM'), 15);
  assert.equal(parseSignal('hup'), 1);
  assert.equal(parseSignal('RTMIN+3'), 37);
  assert.equal(parseSignal('SIGRTMAX-1'), 63);
  for (const bad of ['0', '65', 'SIGFOO', '-1', '']) {
    assert.throws(() => parseSignal(bad), { message: `invalid signal: ${bad}` });
  }
});

test('every state lists its verbs and nothing can be done while removing', () => {
  assert.deepEqual(VERBS.removing, []);
  assert.equal(allows('running', 'start'), false);
  assert.equal(allows('paused', 'exec'), false);
  assert.equal(allows('exited', 'start'), true);
  assert.equal(allows('dead', 'remove'), true);
});
