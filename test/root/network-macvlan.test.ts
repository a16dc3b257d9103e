// Containers as machines on the link of the host, by the docker CLI: a neighbour finds them under
// their own addresses, and nothing is left on the host when they go.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { field } from '../../tools/api.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { EngineHost, HOST, inside, NEIGHBOUR } from './engine-host.ts';

const skip = cannotRun();
let daemon: Daemon;
let host: EngineHost;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  host = new EngineHost(daemon.engine);
  await host.probe('out', host.neighbourNamespace, [80]);
  await host.probe('host', daemon.engine.namespace, [80]);
});

after(async () => {
  if (skip !== false) return;
  await host[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

async function start(name: string, network: string, ...options: readonly string[]) {
  const argv = ['--name', name, '--network', network, ...options, 'busybox', 'sleep', '600'];
  await daemon.ok('run', '-d', ...argv);
  const { json } = await daemon.api('GET', `/containers/${name}/json`);
  const namespace = `/proc/${String(field(json, 'State.Pid'))}/ns/net`;
  await host.probe(name, namespace, [80]);
  const at = (key: string) => field(json, `NetworkSettings.Networks.${network}.${key}`);
  return { namespace, ip: String(at('IPAddress')), mac: String(at('MacAddress')), json };
}

const asked = (from: string, ip: string, wanted?: string) =>
  host.ask(from, { protocol: 'tcp', ip, port: 80 }, wanted);

const onLink = ['--subnet', '192.0.2.0/24', '--gateway', NEIGHBOUR.ip, '-o', 'parent=eth0'];

test('a neighbour reaches a macvlan container under its own address, and the other way', {
  skip,
}, async () => {
  const links = host.links();
  await daemon.ok('network', 'create', '-d', 'macvlan', ...onLink, 'lan');
  const one = await start('lan1', 'lan', '--ip', '192.0.2.77', '-p', '8080:80');
  const two = await start(
    'lan2',
    'lan',
    '--ip',
    '192.0.2.78',
    '--mac-address',
    '02:00:00:00:00:78',
  );
  assert.deepEqual([one.ip, two.mac], ['192.0.2.77', '02:00:00:00:00:78']);
  assert.deepEqual(
    await Promise.all([
      asked('out', '192.0.2.77'),
      asked('lan1', NEIGHBOUR.ip),
      asked('lan1', '192.0.2.78'),
      asked('out', HOST.ip),
    ]),
    ['lan1 192.0.2.2', 'out 192.0.2.77', 'lan2 192.0.2.77', 'host 192.0.2.2'],
  );
  assert.match(inside(two.namespace, ['ip', 'route']), /^default via 192\.0\.2\.2 dev eth0/m);
  assert.equal(inside(two.namespace, ['ip', '-6', 'addr', 'show', 'dev', 'eth0']), '');
  assert.deepEqual(host.links(), links, 'a macvlan is in its container only');
});

test('the bandwidth of a macvlan is limited inside, while it runs', { skip }, async () => {
  const rate = { NetRate: { In: { BitsPerSecond: 10e6 }, Out: { BitsPerSecond: 20e6 } } };
  const { status, json } = await daemon.api('POST', '/containers/lan1/update', rate);
  assert.equal(status, 200, JSON.stringify(json));
  const { json: container } = await daemon.api('GET', '/containers/lan1/json');
  const namespace = `/proc/${String(field(container, 'State.Pid'))}/ns/net`;
  const queues = inside(namespace, ['tc', 'qdisc']);
  assert.match(queues, /qdisc tbf .* dev eth0 root .*rate 20Mbit/);
  assert.match(queues, /qdisc tbf .* dev ifb16 root .*rate 10Mbit/);
});

test('a macvlan container is connected to a bridge too, and leaves each while it runs', {
  skip,
}, async () => {
  await daemon.ok('network', 'create', 'extra');
  await daemon.ok('network', 'connect', 'extra', 'lan1');
  const peer = await start('extra1', 'extra');
  assert.match(await asked('lan1', peer.ip), /^extra1 /);
  await daemon.ok('network', 'disconnect', 'lan', 'lan1');
  assert.match(await asked('out', '192.0.2.77', 'none'), /^none$|^refused 113$/);
  assert.match(await asked('lan1', peer.ip), /^extra1 /);
  await daemon.ok('network', 'connect', '--ip', '192.0.2.77', 'lan', 'lan1');
  assert.equal(await asked('out', '192.0.2.77'), 'lan1 192.0.2.2');
});

test('without a parent the containers reach each other and nobody else', { skip }, async () => {
  const links = host.links();
  await daemon.ok('network', 'create', '-d', 'macvlan', '--subnet', '10.66.0.0/24', 'alone');
  const one = await start('alone1', 'alone');
  const two = await start('alone2', 'alone');
  assert.equal(await asked('alone1', two.ip), `alone2 ${one.ip}`);
  assert.equal(await asked('alone1', NEIGHBOUR.ip), 'refused 101');
  await Promise.all([host.silence('alone1'), host.silence('alone2')]);
  await daemon.ok('rm', '-f', 'alone1', 'alone2');
  await daemon.ok('network', 'rm', 'alone');
  assert.deepEqual(host.links(), links);
});

test('what the parent or the kernel cannot carry is refused before anything is stored', {
  skip,
}, async () => {
  const refused = async (...options: readonly string[]) => {
    const { code, stderr } = await daemon.docker('network', 'create', ...options, 'never');
    assert.equal(code, 1);
    return stderr;
  };
  const subnet = ['--subnet', '10.67.0.0/24'];
  const passthru = ['-o', 'parent=eth0', '-o', 'macvlan_mode=passthru'];
  assert.match(await refused('-d', 'macvlan', ...subnet, ...passthru), /cannot use mode passthru/);
  assert.match(
    await refused('-d', 'macvlan', '-o', 'parent=eth7'),
    /example formatting is eth0\.10/,
  );
  assert.match(
    await refused('-d', 'macvlan', '-o', 'parent=lo'),
    /loopback interface is not a valid/,
  );
  assert.match(
    await refused('-d', 'ipvlan', ...subnet, '-o', 'parent=eth0'),
    /already using parent interface eth0|this kernel has no ipvlan/,
  );
  const names = await daemon.ok('network', 'ls', '--format', '{{.Name}}');
  assert.ok(!names.split('\n').includes('never'));
});
