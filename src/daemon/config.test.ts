import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeConfig, parseConfigFile } from './config.ts';
import { parseFlags } from './flags.ts';

function configOf(argv: readonly string[], file = '') {
  const flags = parseFlags(argv);
  return makeConfig(flags, parseConfigFile(file, flags));
}

test('the pidfile is in the exec root unless told otherwise', () => {
  assert.equal(configOf([]).pidfile, '/run/coracle/coracle.pid');
  assert.equal(configOf(['--exec-root', '/run/other/']).pidfile, '/run/other/coracle.pid');
  assert.equal(configOf(['--pidfile', '/run/p.pid']).pidfile, '/run/p.pid');
  assert.equal(configOf([], '{"pidfile": "/run/f.pid"}').pidfile, '/run/f.pid');
});

test('--debug is a flag like others', () => {
  for (const word of ['-D', '--debug', '--debug=true']) {
    assert.equal(configOf([word]).logLevel, 'debug');
  }
  assert.equal(configOf(['--debug=false', '-l', 'warn']).logLevel, 'warn');
  assert.equal(configOf(['-D'], '{"log-level": "info"}').logLevel, 'debug');
  assert.throws(() => configOf(['-D'], '{"debug": false}'), /debug: \(from flag: true, from file/);
});

test('what is said twice or not known is refused with the text of dockerd', () => {
  assert.throws(() => configOf(['--pidfile', '/a'], '{"pidfile": "/b"}'), {
    message:
      'the following directives are specified both as a flag and in the configuration file: ' +
      'pidfile: (from flag: /a, from file: /b)',
  });
  assert.throws(() => configOf([], '{"pid-file": "/b"}'), {
    message: "the following directives don't match any configuration option: pid-file",
  });
});

test('a file of dockerd is taken with what has nothing to set, and refused with what is not so', () => {
  const taken = '{"userland-proxy":false,"shutdown-timeout":5,"iptables":true,"features":{}}';
  assert.deepEqual([...parseConfigFile(taken, parseFlags([])).keys()], []);
  for (const [file, text] of [
    ['{"iptables":false}', /iptables can be nothing but true: leave it out/],
    ['{"userns-remap":"default"}', /userns-remap can be nothing but ""/],
    ['{"experimental":"yes"}', /the value of experimental is no boolean/],
  ] as const) {
    assert.throws(() => parseConfigFile(file, parseFlags([])), text);
  }
});

test('how cgroups are called is said as in daemon.json, and the parent must be called so', () => {
  const { cgroupDriver, cgroupParent } = configOf([]);
  assert.deepEqual([cgroupDriver, cgroupParent], ['cgroupfs', '/coracle']);
  const systemd = configOf([], '{"exec-opts": ["native.cgroupdriver=systemd"]}');
  assert.deepEqual([systemd.cgroupDriver, systemd.cgroupParent], ['systemd', 'coracle.slice']);
  const flag = ['--exec-opt', 'native.cgroupdriver=systemd'];
  assert.equal(configOf([...flag, '--cgroup-parent', 'a-b.slice']).cgroupParent, 'a-b.slice');
  assert.throws(() => configOf([...flag, '--cgroup-parent', '/a']), {
    message: 'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
  });
  assert.throws(() => configOf(['--exec-opt', 'native.cgroupdriver=x']), {
    message: 'native.cgroupdriver option x not supported',
  });
  assert.throws(() => configOf(['--exec-opt', 'native.umask']), {
    message: 'unknown exec-opt native.umask: there is native.cgroupdriver=cgroupfs|systemd',
  });
});
