import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Netlink, type Step } from '#kernel/netlink/netlink.ts';
import type { Endpoint, NetworkRecord } from '../engine.ts';
import { plainEndpoint, plainNetwork } from '../testing-network.ts';
import type { EndpointPlan, NetworkDriver } from './driver.ts';
import { makeIpvlan } from './ipvlan/ipvlan.ts';
import { makeMacvlan } from './macvlan/macvlan.ts';
import { missingParent, parentOf, Parents } from './parent.ts';

const ID = '0123456789abcdef'.repeat(4);
const unreachable = new Netlink({ perform: () => Promise.reject(new Error('asked the kernel')) });
const deps = { netlink: unreachable, parents: new Parents(unreachable) };

function record(
  driver: 'macvlan' | 'ipvlan',
  options: Readonly<Record<string, string>>,
  more: Partial<NetworkRecord> = {},
): NetworkRecord {
  return plainNetwork({ id: ID, driver, options, ...more });
}

async function refused(driver: NetworkDriver, mine: NetworkRecord, text: RegExp, other?: object) {
  const others = other === undefined ? [] : [{ ...mine, id: 'f'.repeat(64), ...other }];
  await assert.rejects(async () => driver.validate(mine, others), text);
}

test('the parent is an interface of the host, a VLAN of one, or one of its own', () => {
  const parent = (name: string) => parentOf(record('macvlan', { parent: name }));
  assert.deepEqual(parent('eth0'), { name: 'eth0', make: undefined });
  assert.deepEqual(parent('eth0.10'), {
    name: 'eth0.10',
    make: { kind: 'vlan', below: 'eth0', id: 10 },
  });
  for (const name of ['eth0.0', 'eth0.4095', 'eth0.x', 'a.1.2', '.5', 'eth0.']) {
    assert.deepEqual(parent(name), { name, make: undefined });
  }
  assert.deepEqual(parentOf(record('macvlan', {})), {
    name: 'cd-0123456789ab',
    make: { kind: 'own' },
  });
});

test('a parent that cannot be is refused with the reason', () => {
  const parent = (name: string) => () => parentOf(record('ipvlan', { parent: name }));
  assert.throws(
    parent('lo'),
    /^EngineError: loopback interface is not a valid ipvlan parent link$/,
  );
  for (const name of ['eth0\n-x', 'a b', '..', 'x'.repeat(16), 'a/b']) {
    assert.throws(parent(name), /invalid interface name/);
  }
  assert.match(missingParent('eth9').message, /^invalid subinterface vlan name eth9, example/);
  assert.match(missingParent('eth0.4095').message, /between 1-4094, received: 4095$/);
  assert.match(missingParent('eth0.x').message, /^unable to parse a valid vlan id from: x/);
  assert.match(missingParent('a.b.c').message, /name.vlan_id, .* instead received a.b.c$/);
});

test('unknown modes, flags and sizes are refused before the kernel is asked', async () => {
  const [macvlan, ipvlan] = [makeMacvlan(deps), makeIpvlan(deps)];
  const mode = "requested macvlan mode 'l2\\n' is not valid, 'bridge' mode is the";
  await refused(macvlan, record('macvlan', { macvlan_mode: 'l2\n' }), RegExp(RegExp.escape(mode)));
  await refused(
    ipvlan,
    record('ipvlan', { ipvlan_mode: 'bridge' }),
    /requested ipvlan mode 'bridge' is not valid, 'l2' mode is the ipvlan driver default/,
  );
  await refused(
    ipvlan,
    record('ipvlan', { ipvlan_flag: 'toString' }),
    /requested ipvlan flag 'toString' is not valid, 'bridge' is the ipvlan driver default/,
  );
  const mtu = { 'com.docker.network.driver.mtu': '1e3' };
  await refused(
    macvlan,
    record('macvlan', mtu),
    /failed to parse .*mtu value: "1e3" .it is not 68 to/,
  );
});

test('who may share a parent is decided by mode and driver', async () => {
  const [macvlan, ipvlan] = [makeMacvlan(deps), makeIpvlan(deps)];
  const parent = 'eth0';
  const passthru = { parent, macvlan_mode: 'passthru' };
  await refused(
    macvlan,
    record('macvlan', passthru),
    /cannot use mode passthru, macvlan network f{64} is already using parent interface eth0/,
    { options: { parent } },
  );
  await refused(macvlan, record('macvlan', { parent }), /eth0 in mode passthru/, {
    options: passthru,
  });
  await refused(macvlan, record('macvlan', { parent }), /carries macvlan or ipvlan, not both/, {
    driver: 'ipvlan',
  });
  await refused(
    ipvlan,
    record('ipvlan', { parent }),
    /ipvlan network f{64} is already using parent interface eth0/,
    {},
  );
  await refused(macvlan, record('macvlan', { parent }), /asked the kernel/, {});
});

function planOf(more: Partial<Endpoint>): EndpointPlan {
  const endpoint = plainEndpoint(record('macvlan', {}), {
    mac: '02:42:0a:00:00:02',
    ip: '10.0.0.2',
    gateway: '10.0.0.1',
    prefixLength6: 0,
    ...more,
  });
  return { endpoint, namespace: '/run/x', isGateway4: true, isGateway6: true };
}

/** Every network is active, on interface 7. */
class Active extends Parents {
  override index(): number {
    return 7;
  }
}
const activeDeps = { netlink: unreachable, parents: new Active(unreachable) };

const words = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) =>
    'op' in step ? [step.op] : step.messages.map(({ what, on }) => `${what}, ${on}`),
  );

test('an endpoint is made on the host, moved, renamed, and goes up with what is its own', () => {
  const mine = record('macvlan', { parent: 'eth0' });
  const driver = makeMacvlan(activeDeps);
  assert.deepEqual(words(driver.planAttach(mine, planOf({}))), [
    'add macvlan, cveeeeeeeeeeee',
    'move link, cveeeeeeeeeeee',
    'rename link to eth0, 16',
    'set link, 16',
    'set link, lo',
    'add address 10.0.0.2/24, link 16',
    'add route to default via 10.0.0.1, link 16',
  ]);
  const both = planOf({ ip6: 'fd00::2', prefixLength6: 64, gateway6: 'fd00::1' });
  const steps = words(driver.planAttach(mine, both));
  assert.equal(steps.at(-1), 'add route to default via fd00::1, link 16');
});

test('an internal network, and one on an interface of its own, have no gateway', () => {
  const inside = record('macvlan', { parent: 'eth0' }, { internal: true });
  const own = record('macvlan', {});
  for (const mine of [inside, own]) {
    const driver = makeMacvlan(activeDeps);
    assert.equal(driver.gateway(mine), false);
    const steps = words(driver.planAttach(mine, planOf({})));
    assert.ok(!steps.some((step) => step.startsWith('add route')), steps.join());
  }
});

test('an ipvlan of mode l3 has the interface as its way out, one of l2 a gateway', () => {
  const l3 = record('ipvlan', { parent: 'eth0', ipvlan_mode: 'l3' });
  const routed = makeIpvlan(activeDeps);
  assert.equal(routed.gateway(l3), false);
  const plan = planOf({ driver: 'ipvlan', mac: '', gateway: '' });
  assert.equal(words(routed.planAttach(l3, plan)).at(-1), 'add route to default, link 16');
  const l2 = record('ipvlan', { parent: 'eth0' });
  assert.equal(routed.gateway(l2), true);
});
