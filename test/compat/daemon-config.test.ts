// The daemon's own configuration: TCP with TLS, metrics, reload, validation.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  makeEngineDirectory,
  removeEngineDirectory,
  startEngine,
} from '../../tools/private-engine.ts';
import { PID_FILE } from '../../tools/scratch.ts';
import { ROOT } from '../../tools/source.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';

const skip = cannotRun();
const WAIT_MS_MAX = 10_000;
const PROGRAM = join(ROOT, 'bin/coracle');
let folder = '';
let daemon: Daemon;

function openssl(...argv: readonly string[]): void {
  execFileSync('openssl', argv, { cwd: folder, stdio: 'pipe' });
}

/**
 * A CA, a server's certificate for 127.0.0.1, a client's, and a client's that another CA signed.
 */
function makeCertificates(): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  for (const ca of ['ca', 'other']) {
    const files = ['-keyout', `${ca}-key.pem`, '-out', `${ca}.pem`];
    openssl('req', '-x509', ...key, ...files, '-subj', `/CN=${ca}`, '-days', '2');
  }
  writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1\n');
  for (const [name, ca] of [
    ['server', 'ca'],
    ['client', 'ca'],
    ['stranger', 'other'],
  ] as const) {
    openssl('req', ...key, '-keyout', `${name}-key.pem`, '-out', 'csr', '-subj', `/CN=${name}`);
    const by = ['-CA', `${ca}.pem`, '-CAkey', `${ca}-key.pem`, '-CAcreateserial', '-days', '2'];
    openssl('x509', '-req', '-in', 'csr', ...by, '-extfile', 'ext', '-out', `${name}.pem`);
  }
}

before(async () => {
  if (skip !== false) return;
  folder = mkdtempSync(join(tmpdir(), 'coracle-config-'));
  makeCertificates();
  writeFileSync(join(folder, 'daemon.json'), '{"labels": ["a=1"], "log-level": "info"}');
  daemon = await startDaemon([
    ...['-H', 'tcp://127.0.0.1:2376', '--tlsverify', '--tlscacert', join(folder, 'ca.pem')],
    ...['--tlscert', join(folder, 'server.pem'), '--tlskey', join(folder, 'server-key.pem')],
    ...['--metrics-addr', '127.0.0.1:9323', '--config-file', join(folder, 'daemon.json')],
  ]);
});
after(async () => {
  await daemon?.[Symbol.asyncDispose]();
  if (folder !== '') rmSync(folder, { recursive: true });
});

/** In the network namespace that is the engine's host. */
function inside(...argv: readonly string[]) {
  return daemon.run(['nsenter', `--net=${daemon.engine.namespace}`, ...argv]);
}

function byTls(name: string, ...argv: readonly string[]) {
  const files = ['--tlscacert', join(folder, 'ca.pem'), '--tlscert', join(folder, `${name}.pem`)];
  const key = ['--tlskey', join(folder, `${name}-key.pem`)];
  const host = ['-H', 'tcp://127.0.0.1:2376', '--tlsverify'];
  return inside('docker', ...host, ...files, ...key, ...argv);
}

test('a client with a certificate is served over TLS, streams too', { skip }, async () => {
  const { code, stdout, stderr } = await byTls(
    'client',
    ...['run', '-i', '--rm', '--network', 'none', 'busybox', 'sh', '-c', 'echo hello; echo no >&2'],
  );
  assert.deepEqual([code, stdout, stderr], [0, 'hello\n', 'no\n']);
  await daemon.ok('run', '-d', '--name', 'up', '--network', 'none', 'busybox', 'sleep', '100');
  assert.equal((await byTls('client', 'exec', 'up', 'echo', 'in')).stdout, 'in\n');
});

test('a client without one, or with a stranger’s, is not', { skip }, async () => {
  assert.notEqual((await byTls('stranger', 'version')).code, 0);
  const { stdout } = await inside(
    ...[process.execPath, '-e'],
    `require('https').get({port:2376,path:'/_ping',rejectUnauthorized:false},r=>console.log(r.statusCode)).on('error',e=>console.log(e.code))`,
  );
  assert.equal(stdout, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED\n');
  assert.notEqual((await inside('docker', '-H', 'tcp://127.0.0.1:2376', 'version')).code, 0);
});

test('prometheus reads states, actions, health and usage', { skip }, async () => {
  const check = ['--health-cmd', 'true', '--health-interval', '100ms', '--network', 'none'];
  const well = await daemon.ok('run', '-d', ...check, 'busybox', 'sleep', '100');
  const status = ['inspect', '-f', '{{.State.Health.Status}}', well];
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(20)) {
    if ((await daemon.ok(...status)) === 'healthy') break;
  }
  await daemon.ok('rm', '-f', well);
  const { stdout } = await inside(
    ...[process.execPath, '-e'],
    "fetch('http://127.0.0.1:9323/metrics').then((r) => r.text()).then((t) => process.stdout.write(t))",
  );
  assert.match(stdout, /^engine_daemon_container_states_containers\{state="running"\} 1$/m);
  assert.match(stdout, /^engine_daemon_container_actions_seconds_count\{action="start"\} [2-9]$/m);
  assert.match(
    stdout,
    /^engine_daemon_container_actions_seconds_bucket\{action="create",le="\+Inf"\} [2-9]$/m,
  );
  assert.match(
    stdout,
    /^coracle_container_memory_bytes\{id="[0-9a-f]{12}",name="up",image="busybox"\} \d+$/m,
  );
  assert.match(stdout, /^engine_daemon_engine_info\{.*version="\d+\.\d+\.\d+"\} 1$/m);
  assert.match(
    stdout,
    /^coracle_health_changes_total\{health="healthy"\} 1$/m,
    'not of each check',
  );
  assert.match(stdout, /^engine_daemon_health_checks_total [1-9]\d*$/m);
  assert.match(stdout, /^engine_daemon_health_checks_failed_total \d+$/m);
  assert.match(stdout, /^engine_daemon_events_subscribers_total 0$/m);
  const help = [...stdout.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  assert.equal(new Set(help).size, help.length, 'each name once');
});

test('SIGHUP takes over what can change, says what cannot, and tells an event', {
  skip,
}, async () => {
  const since = String(Date.now() / 1000);
  const mirror = 'https://mirror.example.com/';
  writeFileSync(
    join(folder, 'daemon.json'),
    JSON.stringify({ labels: ['b=2'], debug: true, 'registry-mirrors': [mirror], mtu: 1400 }),
  );
  process.kill(daemon.engine.pid, 'SIGHUP');
  const labels = (): Promise<string> => daemon.ok('info', '-f', '{{json .Labels}}');
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(20)) {
    if ((await labels()) === '["b=2"]') break;
  }
  assert.equal(await labels(), '["b=2"]');
  assert.equal(await daemon.ok('info', '-f', '{{json .RegistryConfig.Mirrors}}'), `["${mirror}"]`);
  const told = await daemon.ok(
    ...['events', '--since', since, '--until', String(Date.now() / 1000)],
    ...['--filter', 'type=daemon', '--format', '{{.Action}} {{.Actor.Attributes.labels}}'],
  );
  assert.equal(told, 'reload ["b=2"]');
  assert.match(
    daemon.engine.log(),
    /"ignored":\["network"\],"msg":"these settings have changed too/,
  );

  writeFileSync(join(folder, 'daemon.json'), '{"labels": 7}');
  process.kill(daemon.engine.pid, 'SIGHUP');
  for (const end = Date.now() + WAIT_MS_MAX; Date.now() < end; await sleep(20)) {
    if (daemon.engine.log().includes('cannot reload')) break;
  }
  assert.match(daemon.engine.log(), /cannot reload the configuration, ignoring/);
  assert.equal(await labels(), '["b=2"]', 'a wrong one changes nothing');
});

test('SIGHUP while it starts is followed when it has started', { skip }, async () => {
  const directory = makeEngineDirectory();
  try {
    const started = startEngine({ directory });
    const pidfile = join(directory, PID_FILE);
    const until = async (done: () => boolean): Promise<void> => {
      for (const end = Date.now() + WAIT_MS_MAX; !done() && Date.now() < end; ) await sleep(1);
    };
    await until(() => existsSync(pidfile));
    process.kill(Number(readFileSync(pidfile, 'utf8')), 'SIGHUP');
    await using engine = await started;
    await until(() => engine.log().includes('configuration reloaded'));
    assert.match(engine.log(), /configuration reloaded/);
  } finally {
    removeEngineDirectory(directory);
  }
});

test('what the file says of containers, networks and proxies is so, and what sets nothing is told', {
  skip,
}, async () => {
  const file = join(folder, 'defaults.json');
  const option = 'com.docker.network.driver.mtu';
  const keys = {
    'default-shm-size': '32M',
    'default-ipc-mode': 'shareable',
    'default-cgroupns-mode': 'private',
    'default-network-opts': { bridge: { [option]: '1400' } },
    'host-gateway-ips': ['10.9.8.7', 'fd00::7'],
    proxies: { 'http-proxy': 'http://me:secret@proxy.example:3128' },
    'live-restore': true,
    'shutdown-timeout': 5,
  };
  writeFileSync(file, JSON.stringify(keys));
  await using other = await startDaemon(['--config-file', file]);
  assert.equal(
    await other.ok('info', '-f', '{{.HTTPProxy}}'),
    'http://xxxxx:xxxxx@proxy.example:3128/',
  );
  assert.match(
    other.engine.log(),
    /"shutdown-timeout":"containers outlive[^}]*change nothing here/,
  );
  assert.ok(!other.engine.log().includes('live-restore'));
  await other.ok('network', 'create', 'lan');
  await other.ok('network', 'create', '-o', `${option}=1300`, 'own');
  const mtu = ['network', 'inspect', '-f', `{{index .Options "${option}"}}`, 'lan', 'own'];
  assert.equal(await other.ok(...mtu), '1400\n1300');
  const look = 'df -k /dev/shm | tail -1; cat /proc/self/cgroup; cat /etc/hosts';
  const seen = await other.ok(
    ...['run', '--name', 'one', '--network', 'lan', '--add-host', 'up:host-gateway'],
    ...['busybox', 'sh', '-c', look],
  );
  assert.match(seen, /^shm +32768 /);
  assert.match(seen, /:\/$/m);
  assert.match(seen, /^10\.9\.8\.7\tup\nfd00::7\tup$/m);
  const shown = '{{.HostConfig.ShmSize}} {{.HostConfig.IpcMode}} {{.HostConfig.CgroupnsMode}}';
  assert.equal(await other.ok('inspect', '-f', shown, 'one'), '33554432 shareable private');
  await other.ok('create', '--name', 'two', '--shm-size', '8m', '--ipc', 'private', 'busybox');
  assert.equal(await other.ok('inspect', '-f', shown, 'two'), '8388608 private private');
});

test('--validate says whether a configuration is good', { skip }, async () => {
  const file = join(folder, 'other.json');
  writeFileSync(file, '{"mtu": 1400}');
  const validate = () => daemon.run([PROGRAM, 'daemon', '--validate', '--config-file', file]);
  assert.deepEqual(await validate(), { code: 0, stdout: '', stderr: 'configuration OK\n' });
  writeFileSync(file, '{"mtu": 1400, "speed": 9}');
  const bad = await validate();
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /unable to configure the Docker daemon with file .*: .*option: speed/);
  writeFileSync(file, '{"hosts": ["tcp://0.0.0.0:2375"]}');
  const open = await validate();
  assert.equal(open.code, 1, 'a daemon would not start with it');
  assert.match(open.stderr, /tcp:\/\/0\.0\.0\.0:2375 would give everybody/);
  writeFileSync(file, '{"hosts": ["fd://"]}');
  assert.equal((await validate()).code, 0, 'systemd would hand a socket over');
});

test('a listener that everybody reaches is refused unless it is meant', { skip }, async () => {
  const how = [
    PROGRAM,
    'daemon',
    '--data-root',
    join(folder, 'd'),
    '--exec-root',
    join(folder, 'e'),
  ];
  const { code, stderr } = await daemon.run([...how, '-H', 'tcp://0.0.0.0:2375']);
  assert.equal(code, 1);
  assert.match(stderr, /tcp:\/\/0\.0\.0\.0:2375 would give everybody .* use --tlsverify/);
  const missing = [...how, '-H', 'tcp://127.0.0.1:2375', '--tls', '--tlscert', '/no/such'];
  assert.match(
    (await daemon.run(missing)).stderr,
    /invalid TLS configuration: could not load X509/,
  );
});

test('an open listener serves programs, and no web page', { skip }, async () => {
  await using open = await startDaemon(['-H', 'tcp://127.0.0.1:2375']);
  const at = (...argv: readonly string[]) =>
    open.run(['nsenter', `--net=${open.engine.namespace}`, ...argv]);
  assert.equal((await at('docker', '-H', 'tcp://127.0.0.1:2375', 'ps', '-q')).code, 0);
  const ask = (header: string) =>
    at(
      ...[process.execPath, '-e'],
      `require('http').get({port:2375,path:'/info',headers:${header}},r=>{console.log(r.statusCode);process.exit()})`,
    );
  assert.equal((await ask('{}')).stdout, '200\n');
  assert.equal((await ask("{origin:'https://evil.example'}")).stdout, '403\n');
  assert.equal((await ask("{host:'evil.example'}")).stdout, '403\n');
});
