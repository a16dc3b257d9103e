import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DAEMON_FLAGS } from '#base/daemon-flag.ts';
import { IDLE, KEYS, REFUSED } from '#base/daemon-key.ts';
import { makeConfig, parseConfigFile } from './config.ts';
import { parseFlags } from './flags.ts';
import { parseProxies, proxyFacts, useProxies } from './proxies.ts';

const ROOT = join(import.meta.dirname, '../..');

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

/** Of dockerd 20.10 and 28 together (daemon/config of moby). */
const DOCKERD_KEYS =
  'allow-direct-routing allow-nondistributable-artifacts api-cors-header authorization-plugins bip ' +
  'bip6 bridge bridge-accept-fwmark builder cdi-spec-dirs cgroup-parent cluster-advertise ' +
  'cluster-store cluster-store-opts containerd containerd-namespace containerd-plugin-namespace ' +
  'containerd-plugins-namespace cpu-rt-period cpu-rt-runtime cri-containerd data-root debug ' +
  'default-address-pools default-cgroupns-mode default-gateway default-gateway-v6 default-init ' +
  'default-ipc-mode default-network-opts default-runtime default-shm-size default-ulimits ' +
  'deprecated-key-path dns dns-opts dns-search exec-opts exec-root experimental features ' +
  'firewall-backend fixed-cidr fixed-cidr-v6 graph group host-gateway-ip host-gateway-ips hosts ' +
  'http-proxy https-proxy icc init init-path insecure-registries ip ip-forward ip-forward-no-drop ' +
  'ip-masq ip6tables iptables ipv6 labels live-restore log-driver log-format log-level log-opts ' +
  'max-concurrent-downloads max-concurrent-uploads max-download-attempts metrics-addr mtu ' +
  'network-control-plane-mtu network-diagnostic-port no-new-privileges no-proxy ' +
  'node-generic-resources oom-score-adjust pidfile proxies raw-logs registry-mirrors rootless ' +
  'runtimes seccomp-profile selinux-enabled shutdown-timeout storage-driver storage-opts ' +
  'swarm-default-advertise-addr swarm-raft-election-tick swarm-raft-heartbeat-tick tls tlscacert ' +
  'tlscert tlskey tlsverify userland-proxy userland-proxy-path userns-remap';

test('each key of dockerd is taken, sets nothing, or is refused, as docs/daemon.md says', () => {
  const page = readFileSync(join(ROOT, 'docs/daemon.md'), 'utf8');
  const section = page.split('## Keys of daemon.json\n')[1] ?? '';
  const [taken = '', idle = '', refused = ''] = section.split(/^\| key \|.*\n.*\n/m);
  const known = [KEYS, IDLE, REFUSED].flatMap((table) => Object.keys(table));
  assert.equal(new Set(known).size, known.length, 'each in one table');
  const lacking = DOCKERD_KEYS.split(' ').filter((key) => !known.includes(key));
  assert.deepEqual(lacking, []);
  for (const key of Object.keys(KEYS)) assert.ok(taken.includes(`\`${key}\``), key);
  const rows = Object.entries(IDLE).map(([key, { why }]) => `| \`${key}\` | ${why} |`);
  assert.equal(idle.split('\n\n')[0], rows.join('\n'));
  const others = Object.entries(REFUSED).map(([key, { only, why }]) => {
    const value = only === undefined ? '' : `\`${JSON.stringify(only)}\``;
    return `| \`${key}\` | ${value} | ${why} |`;
  });
  assert.equal(refused.split('\n\n')[0]?.trim(), others.join('\n'));
});

test('what sets nothing is told with what is so, unless the file says that very thing', () => {
  const file =
    '{"userland-proxy":false,"live-restore":true,"shutdown-timeout":5,"iptables":true,' +
    '"features":{"buildkit":true},"authorization-plugins":[],"log-format":"text"}';
  assert.deepEqual(configOf([], file).idle, {
    'shutdown-timeout': 'containers outlive the daemon, always',
    features: 'they are of builders and stores that are not here',
    'log-format': 'lines are JSON',
  });
  assert.throws(() => configOf([], '{"experimental":"yes"}'), /of experimental is no boolean/);
  for (const [key, { kind, only, why }] of Object.entries(REFUSED)) {
    if (only !== undefined) configOf([], JSON.stringify({ [key]: only }));
    const value = {
      text: 'x',
      boolean: !only,
      texts: ['x'],
      map: {},
      number: 1,
      size: 1,
      list: [],
    };
    const message = `${key} cannot be ${JSON.stringify(value[kind])} here: ${why}`;
    assert.throws(() => configOf([], JSON.stringify({ [key]: value[kind] })), { message });
  }
});

test('what containers get that say nothing of it is checked with the texts of dockerd', () => {
  const file = {
    'default-shm-size': '32M',
    'default-ipc-mode': 'shareable',
    'default-cgroupns-mode': 'private',
    'storage-opts': ['overlay2.override_kernel_check=true', 'overlay2.size=2G'],
  };
  assert.deepEqual(configOf([], JSON.stringify(file)).hostDefaults, {
    shmSize: 32 * 1024 * 1024,
    ipcMode: 'shareable',
    cgroupnsMode: 'private',
    storageOpt: { size: '2G' },
  });
  for (const [key, value, text] of [
    ['default-ipc-mode', 'host', /IPC mode "host" is not supported as default value; use "share/],
    [
      'default-cgroupns-mode',
      'x',
      /invalid default cgroup namespace \(x\): use "host" or "private"/,
    ],
    ['default-shm-size', 'x', /invalid default-shm-size x/],
    [
      'storage-opts',
      ['dm.basesize=2G'],
      /unknown storage-opt dm.basesize=2G: there is overlay2.si/,
    ],
    ['proxies', { ftp: 'x' }, /proxies has no ftp: there are http-proxy, https-proxy, no-proxy/],
    ['host-gateway-ips', ['10.0.0.1', '10.0.0.2'], /can be one IPv4 and one IPv6 address/],
    [
      'default-network-opts',
      { bridge: { a: 1 } },
      /default-network-opts of bridge: they are texts/,
    ],
  ] as const) {
    assert.throws(() => configOf([], JSON.stringify({ [key]: value })), text);
  }
});

test('proxies of the file go before those of the environment, and are shown without passwords', () => {
  const environment = { http_proxy: 'http://old:1', no_proxy: 'a' };
  useProxies(
    parseProxies({ 'http-proxy': 'http://u:secret@new:2', 'https-proxy': '' }),
    environment,
  );
  assert.deepEqual(environment, {
    http_proxy: 'http://u:secret@new:2',
    HTTP_PROXY: 'http://u:secret@new:2',
    no_proxy: 'a',
  });
  assert.deepEqual(proxyFacts(environment), {
    http: 'http://xxxxx:xxxxx@new:2/',
    https: '',
    none: 'a',
  });
});

test('how cgroups are called is said as in daemon.json, and the parent must be called so', () => {
  const { cgroupDriver, cgroupParent } = configOf([]);
  assert.deepEqual([cgroupDriver, cgroupParent], ['cgroupfs', '/coracle']);
  // Each daemon sweeps what it does not know below its own: with one for all, what others run.
  assert.match(configOf(['--data-root', '/x']).cgroupParent, /^\/coracle_[0-9a-f]{6}$/);
  const systemd = configOf([], '{"exec-opts": ["native.cgroupdriver=systemd"]}');
  assert.deepEqual([systemd.cgroupDriver, systemd.cgroupParent], ['systemd', 'coracle.slice']);
  const flag = ['--exec-opt', 'native.cgroupdriver=systemd'];
  const other = configOf([...flag, '--data-root', '/x']).cgroupParent;
  assert.match(other, /^coracle_[0-9a-f]{6}\.slice$/);
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

/** `dockerd --help` of 20.10, and what 28 has more; `*` takes no value. */
const DOCKERD_FLAGS =
  'add-runtime allow-nondistributable-artifacts api-cors-header authorization-plugin bip -b bridge ' +
  'cgroup-parent config-file containerd containerd-namespace containerd-plugins-namespace ' +
  'cpu-rt-period cpu-rt-runtime cri-containerd* data-root -D* debug* default-address-pool ' +
  'default-cgroupns-mode default-gateway default-gateway-v6 default-ipc-mode default-runtime ' +
  'default-shm-size default-ulimit dns dns-opt dns-search exec-opt exec-root experimental* ' +
  'fixed-cidr fixed-cidr-v6 -G group help* -H host host-gateway-ip icc* init* init-path ' +
  'insecure-registry ip ip-forward* ip-masq* ip6tables* iptables* ipv6* label live-restore* ' +
  'log-driver -l log-level log-opt max-concurrent-downloads max-concurrent-uploads ' +
  'max-download-attempts metrics-addr mtu network-control-plane-mtu no-new-privileges* ' +
  'node-generic-resource oom-score-adjust -p pidfile raw-logs* registry-mirror rootless* ' +
  'seccomp-profile selinux-enabled* shutdown-timeout -s storage-driver storage-opt ' +
  'swarm-default-advertise-addr tls* tlscacert tlscert tlskey tlsverify* userland-proxy* ' +
  'userland-proxy-path userns-remap -v* version* ' +
  'allow-direct-routing* bip6 bridge-accept-fwmark cdi-spec-dir default-network-opt feature ' +
  'firewall-backend http-proxy https-proxy ip-forward-no-drop* log-format no-proxy validate*';

test('each flag of dockerd is known, is a switch where it is one there, and sets its key', () => {
  const names = new Set(DAEMON_FLAGS.map(({ name }) => name));
  assert.equal(names.size, DAEMON_FLAGS.length, 'each once');
  const keys = new Set([KEYS, IDLE, REFUSED].flatMap((table) => Object.keys(table)));
  for (const { key, name } of DAEMON_FLAGS) assert.ok(key === '' || keys.has(key), name);
  for (const flag of DOCKERD_FLAGS.split(' ')) {
    const word = flag.replace('*', '');
    const written = word.startsWith('-') ? word : `--${word}`;
    const alone = () => parseFlags([written]);
    if (flag.endsWith('*')) alone();
    else assert.throws(alone, /flag needs an argument: --/, flag);
  }
});

test('flags say what the keys of the file say', () => {
  const argv =
    '--label a=1 --label b=2 --log-driver local --log-opt max-size=1m --log-opt max-file=2 ' +
    '--default-ulimit nofile=64:128 --default-ulimit core=-1 --default-shm-size 32M ' +
    '--default-ipc-mode shareable --default-cgroupns-mode private --no-new-privileges ' +
    '--add-runtime crun=/usr/bin/crun --storage-opt overlay2.size=1G --seccomp-profile unconfined ' +
    '--default-network-opt bridge=a=1 --default-network-opt bridge=b=2=3 --mtu 1400 ' +
    '--http-proxy http://p:1 --no-proxy a,b --live-restore=false --shutdown-timeout 5 ' +
    '--node-generic-resource gpu=1 --feature buildkit=true -s copy -p /run/x.pid';
  const file = {
    labels: ['a=1', 'b=2'],
    'log-driver': 'local',
    'log-opts': { 'max-size': '1m', 'max-file': '2' },
    'default-ulimits': { nofile: { Soft: 64, Hard: 128 }, core: { Soft: -1, Hard: -1 } },
    'default-shm-size': '32M',
    'default-ipc-mode': 'shareable',
    'default-cgroupns-mode': 'private',
    'no-new-privileges': true,
    runtimes: { crun: { path: '/usr/bin/crun' } },
    'storage-opts': ['overlay2.size=1G'],
    'seccomp-profile': 'unconfined',
    'default-network-opts': { bridge: { a: '1', b: '2=3' } },
    mtu: 1400,
    proxies: { 'http-proxy': 'http://p:1', 'no-proxy': 'a,b' },
    'live-restore': false,
    'shutdown-timeout': 5,
    'node-generic-resources': ['gpu=1'],
    features: { buildkit: true },
    'storage-driver': 'copy',
    pidfile: '/run/x.pid',
  };
  const { idle, ...config } = configOf(argv.split(' '));
  const { idle: idleOfFile, ...configOfFile } = configOf([], JSON.stringify(file));
  assert.deepEqual(config, configOfFile);
  assert.deepEqual(Object.keys(idle).toSorted(), Object.keys(idleOfFile).toSorted());
});

test('the unit of dockerd starts as it is, short flags written in any of its ways', () => {
  const unit = '-H fd:// --containerd=/run/containerd/containerd.sock --userland-proxy=false';
  const config = configOf(unit.split(' '));
  assert.deepEqual(config.hosts, ['fd://']);
  assert.deepEqual(config.idle, { containerd: 'there is no containerd' });
  for (const word of ['-Hfd://', '-H=fd://', '--host=fd://', '-DHfd://']) {
    assert.deepEqual(configOf([word]).hosts, ['fd://'], word);
  }
  assert.equal(configOf(['-Dlwarn']).logLevel, 'debug');
  assert.throws(() => configOf(['-xH']), /unknown flag: -x/);
});

test('a flag that is refused, or has a value of the wrong kind, says what to do', () => {
  for (const [argv, text] of [
    ['--userns-remap default', /userns-remap cannot be "default" here: .* --userns auto instead/],
    ['--iptables=false', /iptables cannot be false here: .* or use --bridge none/],
    ['--authorization-plugin x', /authorization-plugins cannot be \["x"\] here/],
    ['--selinux-enabled', /selinux-enabled cannot be true here/],
    ['--shutdown-timeout soon', /invalid argument "soon" for "--shutdown-timeout" flag: it is no/],
    ['--default-ulimit nofile=x', /for "--default-ulimit" flag: it is NAME=SOFT or NAME=SOFT:HARD/],
    ['--default-ulimit nosuch=1', /invalid ulimit type: nosuch/],
    ['--add-runtime crun', /for "--add-runtime" flag: it is NAME=PATH/],
    ['--default-network-opt bridge=x', /it is DRIVER=KEY=VALUE/],
    ['--icc=perhaps', /invalid argument "perhaps" for "--icc" flag: it is true or false/],
  ] as const) {
    assert.throws(() => configOf(argv.split(' ')), text, argv);
  }
  configOf(['--iptables=true', '--selinux-enabled=false', '--userns-remap=']);
  assert.throws(() => configOf(['--log-opt', 'a=1'], '{"log-opts": {"b": "2"}}'), {
    message:
      'the following directives are specified both as a flag and in the configuration file: ' +
      'log-opts: (from flag: map[a:1], from file: map[b:2])',
  });
});
