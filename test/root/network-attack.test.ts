// What a hostile neighbour, container or client may try on networks: nothing is reached that was
// not published, and nothing is taken that could become something else in a file, a rule or a
// command.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { field } from '../../tools/api.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { HOST, inside, NEIGHBOUR, EngineHost } from './engine-host.ts';

const skip = cannotRun();
/** The host listens here on every address, and on its own it published 8081 for 127.0.0.1 only. */
const HOST_PORT = 7000;
let daemon: Daemon;
let host: EngineHost;

/** By container: its addresses and its network namespace. */
const found = new Map<string, { ip: string; ip6: string; namespace: string }>();

function container(name: string) {
  const one = found.get(name);
  if (one === undefined) throw new Error(`no container ${name}`);
  return one;
}

async function start(name: string, network: string, ...options: readonly string[]): Promise<void> {
  await daemon.ok(
    'run',
    '-d',
    '--name',
    name,
    '--network',
    network,
    ...options,
    'busybox',
    'sleep',
    '600',
  );
  const { json } = await daemon.api('GET', `/containers/${name}/json`);
  const at = (key: string) => String(field(json, `NetworkSettings.Networks.${network}.${key}`));
  const namespace = `/proc/${String(field(json, 'State.Pid'))}/ns/net`;
  found.set(name, { ip: at('IPAddress'), ip6: at('GlobalIPv6Address'), namespace });
  await host.probe(name, namespace, [80, 81]);
}

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon();
  host = new EngineHost(daemon.engine);
  await host.probe('host', daemon.engine.namespace, [HOST_PORT]);
  await host.probe('out', host.neighbourNamespace, [80]);
  await daemon.ok('network', 'create', '--ipv6', 'red');
  await daemon.ok('network', 'create', 'blue');
  await daemon.ok('network', 'create', '--internal', 'dark');
  const apart = 'com.docker.network.bridge.enable_icc=false';
  await daemon.ok('network', 'create', '-o', apart, 'apart');
  await start('web', 'bridge', '-p', '8080:80', '-p', '127.0.0.1:8081:80');
  await start('red1', 'red');
  await start('red2', 'red');
  await start('blue1', 'blue', '-p', '8090:80');
  await start('dark1', 'dark');
  await start('dark2', 'dark');
  await start('apart1', 'apart');
  await start('apart2', 'apart');
});

after(async () => {
  if (skip !== false) return;
  await host[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

type Case = readonly [
  from: string,
  protocol: 'tcp' | 'udp',
  ip: string,
  port: number,
  want: string,
];

/** Asks all at once, since a drop costs the whole wait. */
async function check(cases: readonly Case[]): Promise<void> {
  const shown = ([from, protocol, ip, port]: Case, what: string): string =>
    `${from} -> ${protocol} ${ip} ${port}: ${what}`;
  const answers = cases.map(async (one) => {
    const [from, protocol, ip, port, want] = one;
    return shown(one, await host.ask(from, { protocol, ip, port }, want));
  });
  assert.deepEqual(
    await Promise.all(answers),
    cases.map((one) => shown(one, one[4])),
  );
}

test(
  'a neighbour on the link reaches what is published, and nothing else of a container',
  { skip },
  () =>
    check([
      ['out', 'tcp', HOST.ip, 8080, `web ${NEIGHBOUR.ip}`],
      ['out', 'tcp', HOST.ip, 8090, `blue1 ${NEIGHBOUR.ip}`],
      ['out', 'tcp', HOST.ip, 8081, 'refused 111'],
      ['out', 'tcp', container('web').ip, 81, 'none'],
      ['out', 'udp', container('web').ip, 80, 'none'],
      ['out', 'tcp', container('red1').ip, 80, 'none'],
      ['out', 'tcp', container('red1').ip6, 80, 'none'],
      ['out', 'tcp', container('dark1').ip, 80, 'none'],
      ['out', 'tcp', container('apart1').ip, 80, 'none'],
    ]),
);

test('bridges, an internal network and icc=false keep containers apart', { skip }, async () => {
  // As a container with NET_ADMIN may: the host's address on the bridge as a router.
  const { namespace } = container('dark1');
  inside(namespace, ['ip', 'route', 'add', 'default', 'via', gatewayOf('dark1')]);
  await check([
    ['red1', 'tcp', container('red2').ip, 81, `red2 ${container('red1').ip}`],
    ['red1', 'tcp', container('red2').ip6, 81, `red2 ${container('red1').ip6}`],
    ['red1', 'tcp', container('blue1').ip, 81, 'none'],
    ['red1', 'tcp', container('web').ip, 81, 'none'],
    ['red1', 'tcp', container('dark1').ip, 81, 'none'],
    ['dark1', 'tcp', container('dark2').ip, 81, `dark2 ${container('dark1').ip}`],
    ['dark1', 'tcp', container('red1').ip, 81, 'none'],
    ['dark1', 'tcp', HOST.ip, 8080, 'none'],
    ['dark1', 'tcp', NEIGHBOUR.ip, 80, 'none'],
    ['dark1', 'udp', NEIGHBOUR.ip, 80, 'none'],
    ['apart1', 'tcp', container('apart2').ip, 81, 'none'],
    ['apart1', 'tcp', NEIGHBOUR.ip, 80, `out ${HOST.ip}`],
    ['red1', 'tcp', NEIGHBOUR.ip6, 80, `out ${HOST.ip6}`],
  ]);
});

/** A namespace that holds 127.0.0.0/8 to be behind a gateway, as a program with raw sockets can. */
function claimLoopback(namespace: string, gateway: string): void {
  const run = (...argv: string[]) => inside(namespace, argv);
  run('sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
  run('ip', 'link', 'set', 'lo', 'down');
  run('ip', 'route', 'replace', '127.0.0.0/8', 'via', gateway, 'dev', 'eth0');
}

test('neither a neighbour nor a container reaches the loopback of the host, published or not', {
  skip,
}, async () => {
  claimLoopback(host.neighbourNamespace, HOST.ip);
  claimLoopback(container('red1').namespace, gatewayOf('red1'));
  claimLoopback(container('web').namespace, gatewayOf('web'));
  await check([
    ['out', 'tcp', '127.0.0.1', 8081, 'none'],
    ['out', 'tcp', '127.0.0.1', HOST_PORT, 'none'],
    ['red1', 'tcp', '127.0.0.1', 8081, 'none'],
    ['red1', 'tcp', '127.0.0.1', HOST_PORT, 'none'],
    ['web', 'tcp', '127.0.0.1', HOST_PORT, 'none'],
    ['web', 'udp', '127.0.0.1', HOST_PORT, 'none'],
    ['host', 'tcp', '127.0.0.1', 8081, `web ${gatewayOf('web')}`],
  ]);
});

function gatewayOf(name: string): string {
  return container(name).ip.replace(/\d+$/, '1');
}

const ADVERTISE = `
import socket, struct, sys
prefix = socket.inet_pton(socket.AF_INET6, '2001:db8:bad::')
option = struct.pack('!BBBBIII', 3, 4, 64, 0xc0, 86400, 14400, 0) + prefix
message = struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 1800, 0, 0) + option
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
for _ in range(3):
    s.sendto(message, ('ff02::1', 0, 0, socket.if_nametoindex('eth0')))
`;

test('a router advertisement of a container changes nothing, on the host or in a neighbour', {
  skip,
}, async () => {
  const { namespace } = container('red1');
  const addresses = () =>
    [host.host('ip', '-6', 'addr'), host.host('ip', '-6', 'route')].join() +
    inside(container('red2').namespace, ['ip', '-6', 'addr']) +
    inside(container('red2').namespace, ['ip', '-6', 'route']);
  if (!inside(namespace, ['ip', '-6', 'addr']).includes('fe80::')) {
    inside(namespace, ['ip', 'addr', 'add', 'fe80::bad/64', 'dev', 'eth0', 'nodad']);
  }
  const before = addresses();
  inside(namespace, ['/usr/bin/python3', '-c', ADVERTISE]);
  // An answer of the host behind the advertisements: it has seen them by then.
  await check([['red2', 'tcp', container('red1').ip6, 81, `red1 ${container('red2').ip6}`]]);
  assert.equal(addresses(), before);
  assert.ok(!before.includes('2001:db8:bad'));
});
