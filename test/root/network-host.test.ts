// Two hosts on one link, each with an engine of its own and a Docker's FORWARD policy of DROP: what
// leaves has the host's address, what comes in arrives by DNAT. One of them works by nftables, the
// other by iptables.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { field } from '../../tools/api.ts';
import { cannotRun, type Daemon, startDaemon } from '../daemon.ts';
import { inside } from './engine-host.ts';
import { Probe } from './net-probe.ts';

const skip =
  cannotRun() ||
  (spawnSync('iptables', ['--version']).status === 0 ? false : 'needs iptables (Debian: iptables)');

const IP = { one: '192.0.2.1', two: '192.0.2.2' } as const;
const IP6 = { one: '2001:db8:9::1', two: '2001:db8:9::2' } as const;
/** Different ones, so that each host could be asked for the other's. */
const SUBNET = { one: '10.201.1.0/24', two: '10.201.2.0/24' } as const;
const BACKEND = { one: 'nftables', two: 'iptables' } as const;
type Name = keyof typeof IP;
const NAMES = ['one', 'two'] as const;
const daemons = new Map<Name, Daemon>();
const probes = new Map<Name, Probe>();

function daemonOf(name: Name): Daemon {
  const daemon = daemons.get(name);
  if (daemon === undefined) throw new Error(`no daemon ${name}`);
  return daemon;
}

const host = (name: Name, ...argv: string[]): string =>
  inside(daemonOf(name).engine.namespace, argv);

async function startHost(name: Name): Promise<void> {
  daemons.set(name, await startDaemon(['--firewall-backend', BACKEND[name]]));
  host(name, 'iptables', '-P', 'FORWARD', 'DROP');
  host(name, 'ip6tables', '-P', 'FORWARD', 'DROP');
}

function link(): void {
  const there = daemonOf('two').engine.namespace;
  host('one', 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', there);
  for (const name of NAMES) {
    host(name, 'ip', 'addr', 'add', `${IP[name]}/24`, 'dev', 'eth0');
    host(name, 'ip', 'addr', 'add', `${IP6[name]}/64`, 'dev', 'eth0', 'nodad');
    host(name, 'ip', 'link', 'set', 'eth0', 'up');
  }
}

/** A container on a network of both families that publishes port 80 as 8080. */
async function startContainer(name: Name): Promise<void> {
  const { ok, api } = daemonOf(name);
  await ok('network', 'create', '--ipv6', '--subnet', SUBNET[name], 'both');
  const network = ['--network', 'both'];
  const id = await ok('run', '-d', ...network, '-p', '8080:80', 'busybox', 'sleep', '600');
  const { json } = await api('GET', `/containers/${id}/json`);
  const probe = new Probe(`/proc/${String(field(json, 'State.Pid'))}/ns/net`, name, [80, 81]);
  probes.set(name, probe);
  await probe.ready;
}

before(async () => {
  if (skip !== false) return;
  await Promise.all(NAMES.map(startHost));
  link();
  await Promise.all(NAMES.map(startContainer));
});

after(async () => {
  for (const probe of probes.values()) await probe[Symbol.asyncDispose]();
  for (const daemon of daemons.values()) await daemon[Symbol.asyncDispose]();
});

async function ask(from: Name, protocol: 'tcp' | 'udp', ip: string, port: number) {
  return await probes.get(from)?.ask({ protocol, ip, port });
}

for (const [from, to] of [
  ['one', 'two'],
  ['two', 'one'],
] as const) {
  test(`a container of a host with ${BACKEND[from]} reaches one of the other host as that host`, {
    skip,
  }, async () => {
    assert.deepEqual(
      await Promise.all([
        ask(from, 'tcp', IP[to], 8080),
        ask(from, 'udp', IP[to], 8080),
        ask(from, 'tcp', IP6[to], 8080),
      ]),
      [`${to} ${IP[from]}`, 'refused 111', `${to} ${IP6[from]}`],
    );
  });

  test(`behind ${BACKEND[to]}, nobody on the link reaches what is not published`, {
    skip,
  }, async () => {
    const { json } = await daemonOf(to).api('GET', '/networks/both');
    const containers = field(json, 'Containers');
    const [container] = Object.values(containers as Record<string, unknown>);
    const address = (key: string) => String(field(container, key)).split('/')[0] ?? '';
    const [ip, ip6] = [address('IPv4Address'), address('IPv6Address')];
    const { engine } = daemonOf(from);
    inside(engine.namespace, ['ip', 'route', 'add', `${ip}/32`, 'via', IP[to]]);
    inside(engine.namespace, ['ip', '-6', 'route', 'add', `${ip6}/128`, 'via', IP6[to]]);
    await using neighbour = new Probe(engine.namespace, 'neighbour');
    await neighbour.ready;
    const asked = [
      { protocol: 'tcp', ip, port: 81 },
      { protocol: 'udp', ip, port: 81 },
      { protocol: 'tcp', ip: ip6, port: 81 },
    ] as const;
    assert.deepEqual(await Promise.all(asked.map((where) => neighbour.ask(where, 'none'))), [
      'none',
      'none',
      'none',
    ]);
  });
}

test('the FORWARD policy is as it was', { skip }, () => {
  for (const name of NAMES) {
    for (const program of ['iptables', 'ip6tables']) {
      assert.match(host(name, program, '-S', 'FORWARD'), /^-P FORWARD DROP$/m);
    }
  }
});
