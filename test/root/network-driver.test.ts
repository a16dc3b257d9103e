// What every network driver must do, whatever it makes: one suite, held against each driver and the
// kernel, in a network namespace of the test's own.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { newId } from '#base/id.ts';
import { FIRST_INDEX } from '#kernel/netlink/endpoint.ts';
import { isNetlinkError } from '#kernel/netlink/netlink.ts';
import type { EndpointPlan, NetworkDriver } from '#network/driver/driver.ts';
import type { NetworkDriverName, NetworkRecord } from '#network/engine.ts';
import { plainEndpoint, plainNetwork } from '#network/testing-network.ts';
import { ServiceHost, wish } from './service-host.ts';

const SUBNET = '10.90.0.0/24';
const SUBNET6 = 'fd90::/64';
const PARENT = 'up0';

type Maker = 'bridge' | 'macvlan' | 'ipvlan';
const MAKERS: readonly Maker[] = ['bridge', 'macvlan', 'ipvlan'];

let host: ServiceHost;
let count = 0;

before(async () => {
  host = await ServiceHost.open();
  host.ip(`link add ${PARENT} type veth peer name up1`);
  host.ip(`link set ${PARENT} up`);
  host.ip('link set up1 up');
});

after(async () => {
  await host[Symbol.asyncDispose]();
});

function record(driver: NetworkDriverName, change: Partial<NetworkRecord> = {}): NetworkRecord {
  return plainNetwork({
    id: newId(),
    name: `net-${driver}`,
    driver,
    ipv6: true,
    options: driver === 'bridge' ? {} : { parent: PARENT },
    ipam: {
      driver: 'default',
      options: {},
      subnets: [
        { subnet: SUBNET, gateway: '10.90.0.1', auxAddresses: {}, userConfigured: true },
        { subnet: SUBNET6, gateway: 'fd90::1', auxAddresses: {}, userConfigured: true },
      ],
    },
    ...change,
  });
}

/** A namespace with a plan for its endpoint, the n-th of the network. */
async function planFor(
  driver: NetworkDriver,
  network: NetworkRecord,
  n: number,
): Promise<EndpointPlan> {
  count += 1;
  const namespace = join(host.directory, `ns${count}`);
  await host.agent.perform([{ op: 'netns_create', path: namespace }]);
  const id = newId();
  const ip = `10.90.0.${n}`;
  const leadsOut = driver.leadsOut(network);
  return {
    namespace,
    isGateway4: leadsOut,
    isGateway6: leadsOut,
    endpoint: plainEndpoint(network, {
      id,
      index: FIRST_INDEX,
      hostInterface: driver.hostInterface(id),
      mac: driver.mac(network, ip) ?? '',
      ip,
      gateway: leadsOut ? '10.90.0.1' : '',
      ip6: `fd90::${n}`,
      gateway6: leadsOut ? 'fd90::1' : '',
    }),
  };
}

async function give(plan: EndpointPlan): Promise<void> {
  await host.agent.perform([{ op: 'netns_delete', path: plan.namespace }]);
}

const gone = (error: unknown): boolean => isNetlinkError(error, 'ENODEV');

/** A driver that the kernel has no interfaces for cannot be tested; it must say so itself. */
async function kernelHas(t: TestContext, name: Maker): Promise<boolean> {
  try {
    await host.makeDrivers()[name].validate(record(name), []);
    return true;
  } catch (error) {
    assert.match(String(error), /this kernel has no/);
    t.skip(String(error));
    return false;
  }
}

for (const name of MAKERS) {
  test(`${name}: a network is made once, and leaves the host as it was`, async (t) => {
    if (!(await kernelHas(t, name))) return;
    const driver = host.makeDrivers()[name];
    const before = await host.links();
    const network = record(name);
    await driver.activate(network, { again: false });
    assert.equal(await driver.activate(network, { again: false }), false);
    assert.equal(await driver.activate(network, { again: true }), false);
    const bridge = driver.bridge(network);
    if (bridge !== undefined) assert.ok((await host.links()).includes(bridge));
    // Another daemon's life: it knows of nothing, and finds what was made.
    const next = host.makeDrivers()[name];
    assert.equal(await next.activate(network, { again: false }), false);
    await next.deactivate(network);
    await next.deactivate(network);
    assert.deepEqual(await host.links(), before);
  });

  test(`${name}: endpoints have their addresses and routes, and reach each other`, async (t) => {
    if (!(await kernelHas(t, name))) return;
    const driver = host.makeDrivers()[name];
    const network = record(name);
    await driver.activate(network, { again: false });
    const [a, b] = [await planFor(driver, network, 2), await planFor(driver, network, 3)];
    for (const plan of [a, b]) {
      const results = await host.netlink.perform(driver.planAttach(network, plan));
      assert.ok(results.length > 0);
      assert.ok(await driver.verify(network, plan));
    }
    const link = await host.netlink.link(a.namespace, FIRST_INDEX);
    assert.deepEqual([link?.name, link?.up], ['eth0', true]);
    if (a.endpoint.mac !== '') assert.equal(link?.mac, a.endpoint.mac);
    const addresses = (await host.netlink.addresses(a.namespace))
      .filter(({ scope, link: index }) => scope === 'global' && index === FIRST_INDEX)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
    assert.deepEqual(addresses, ['10.90.0.2/24', 'fd90::2/64']);
    assert.equal(driver.routes(network, a).length, 2);
    assert.match(host.ip('route', a.namespace), /^default via 10\.90\.0\.1 dev eth0/);
    assert.match(host.ip('-6 route', a.namespace), /^default via fd90::1 dev eth0/m);
    assert.ok(host.ping(a.namespace, '10.90.0.3'));
    assert.ok(host.ping(b.namespace, 'fd90::2'));

    await host.netlink.perform(driver.planQuiesce(network, b));
    assert.equal(host.pingOnce(a.namespace, '10.90.0.3'), false);
    for (const plan of [a, b]) await give(plan);
    await driver.deactivate(network);
  });

  test(`${name}: what is gone is seen, and gone again is no surprise`, async (t) => {
    if (!(await kernelHas(t, name))) return;
    const driver = host.makeDrivers()[name];
    const network = record(name);
    await driver.activate(network, { again: false });
    const plan = await planFor(driver, network, 4);
    assert.equal(await driver.verify(network, plan), false);
    await assert.rejects(host.netlink.perform(driver.planDetach(network, plan)), gone);
    await host.netlink.perform(driver.planAttach(network, plan));
    assert.equal(await driver.verify(network, plan), true);
    await host.netlink.perform(driver.planDetach(network, plan));
    assert.equal(await driver.verify(network, plan), false);
    await assert.rejects(host.netlink.perform(driver.planDetach(network, plan)), gone);
    await assert.rejects(host.netlink.perform(driver.planQuiesce(network, plan)), gone);
    await host.netlink.perform(driver.planAttach(network, plan));
    assert.equal(await driver.verify(network, plan), true);
    await give(plan);
    assert.equal(await driver.verify(network, plan), false);
    await driver.deactivate(network);
  });

  test(`${name}: what somebody took away is made again`, async (t) => {
    if (!(await kernelHas(t, name))) return;
    const driver = host.makeDrivers()[name];
    const network = record(name, name === 'bridge' ? {} : { options: {} });
    await driver.activate(network, { again: false });
    const [made] = (await host.links()).filter((link) => /^c[od]-/.test(link));
    assert.ok(made !== undefined);
    const plan = await planFor(driver, network, 5);
    await host.netlink.perform(driver.planAttach(network, plan));
    host.ip(`link delete ${made}`);
    assert.equal(await driver.activate(network, { again: true }), true);
    assert.equal(await driver.verify(network, plan), false);
    await host.netlink.perform(driver.planReplug(network, plan));
    if (!(await driver.verify(network, plan))) {
      await host.netlink.perform(driver.planDetach(network, plan)).catch((error: unknown) => {
        if (!gone(error)) throw error;
      });
      await host.netlink.perform(driver.planAttach(network, plan));
    }
    assert.equal(await driver.verify(network, plan), true);
    await give(plan);
    await driver.deactivate(network);
    assert.ok(!(await host.links()).includes(made));
  });

  test(`${name}: an internal network leads nowhere`, async (t) => {
    if (!(await kernelHas(t, name))) return;
    const driver = host.makeDrivers()[name];
    const network = record(name, { internal: true });
    assert.equal(driver.leadsOut(network), false);
    await driver.activate(network, { again: false });
    const plan = await planFor(driver, network, 6);
    assert.deepEqual(driver.routes(network, plan), []);
    await host.netlink.perform(driver.planAttach(network, plan));
    assert.doesNotMatch(host.ip('route', plan.namespace), /default/);
    await give(plan);
    await driver.deactivate(network);
  });
}

for (const name of ['host', 'null'] as const) {
  test(`${name}: takes no endpoints, and there is one of it`, async () => {
    const driver = host.drivers[name];
    const network = record(name);
    assert.throws(() => driver.validateWish(network, wish(name)), { code: 'forbidden' });
    assert.equal(driver.addresses, false);
    assert.equal(driver.bridge(network), undefined);
    assert.throws(() => void driver.validate(record(name), [network]), {
      message: `only one instance of "${name}" network is allowed`,
    });
    await driver.deactivate(network);
  });
}
