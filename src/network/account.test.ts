// How a sandbox was made, told from its plan and the times that were taken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planVeth } from '#kernel/netlink/endpoint.ts';
import type { Step } from '#kernel/netlink/netlink.ts';
import { accountOf } from './account.ts';
import { plugged } from './names/testing-plugged.ts';

const STEPS: readonly Step[] = [
  { op: 'netns_create', path: '/run/net/a' },
  { op: 'netns_sysctl', namespace: '/run/net/a', key: 'net/ipv4/ping_group_range', value: '0 9' },
  ...planVeth(
    {
      namespace: '/run/net/a',
      name: 'eth0',
      index: 16,
      addresses: ['172.18.0.2/16'],
      routes: [{ to: 'default', via: '172.18.0.1' }],
    },
    { name: 'cv1', bridge: 7, port: { hairpin: true } },
  ),
];

function account(times: readonly number[]) {
  const { sandbox } = plugged('web', [{ network: 'shop', ip: '172.18.0.2' }]);
  const port = { port: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 } as const;
  const rate = { in: { bitsPerSecond: 10_000_000, burstBytes: 65_536 }, out: undefined };
  return accountOf({ ...sandbox, ports: [port], rate }, STEPS, true, {
    steps: times,
    ports: 50,
    names: 60,
    rate: 70,
  });
}

test('every step of a sandbox is told with its reason, where it was done, and its time', () => {
  const told = account([10, 20, 30, 40]);
  assert.deepEqual(
    told.map(({ text, nanoseconds }) => [text, nanoseconds]),
    [
      ['unshare(CLONE_NEWNET); mount(its nsfs, "/run/net/a", MS_BIND)', 10],
      ['write("/proc/sys/net/ipv4/ping_group_range", "0 9")', 20],
      ['RTM_NEWLINK: add veth, eth0', 30],
      ['RTM_NEWLINK: set link, lo', null],
      ['RTM_NEWADDR: add address 172.18.0.2/16, link 16', null],
      ['RTM_NEWROUTE: add route to default via 172.18.0.1, link 16', null],
      ['RTM_NEWLINK: set link, cv1', 40],
      ['RTM_NEWLINK: set bridge port, cv1', null],
      ['RTM_NEWLINK: set link, cv1', null],
      ['RTM_GETLINK: get link, cv1', null],
      ['publish 0.0.0.0:8080 -> 80/tcp', 50],
      ['listen on 127.0.0.11:53 inside', 60],
      ['tc: in 10mbit burst 64k', 70],
    ],
  );
  assert.deepEqual(
    told.filter(({ why, where }) => why === '' || where === ''),
    [],
  );
  assert.equal(told[2]?.where, 'agent, inside');
  assert.equal(told[6]?.where, 'agent, on the host');
});

test('a sandbox whose endpoints have changed has no times of its making', () => {
  const times = account([10, 20]).slice(0, 4);
  assert.ok(times.every(({ nanoseconds }) => nanoseconds === null));
});
