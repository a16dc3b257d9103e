import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '#base/error.ts';
import { contains, formatCidr, overlaps, parseCidr, parseIp } from '#base/ip-address.ts';
import { AddressAllocator } from './allocator.ts';
import { macFromIp, macFromRandom, parseMac } from './mac.ts';
import { choosePool, DEFAULT_POOLS, parsePools, ulaPool } from './pool.ts';
import { planSubnets, type Subnet, type SubnetPlanRequest } from './subnet.ts';

const PLAN: SubnetPlanRequest = {
  families: [4],
  requests: [],
  pools: DEFAULT_POOLS,
  networks: [],
  routes: [],
  withGateway: true,
};
const subnet = (text: string, more: Partial<Subnet> = {}): Subnet => ({
  subnet: text,
  auxAddresses: {},
  userConfigured: true,
  ...more,
});
const allocator = (subnets: readonly Subnet[], leases: { ip: string; owner: string }[] = []) =>
  new AddressAllocator({ id: 'abc', name: 'net', subnets }, leases);

test('networks get the default pools one after the other, past the routes of the host', () => {
  const networks: string[] = [];
  for (let n = 0; n < 30; n += 1) {
    const [made] = planSubnets({ ...PLAN, networks, routes: ['0.0.0.0/0', '172.20.5.0/24'] });
    networks.push(made?.subnet ?? '');
  }
  assert.deepEqual(networks.slice(0, 4), [
    '172.17.0.0/16',
    '172.18.0.0/16',
    '172.19.0.0/16',
    '172.21.0.0/16',
  ]);
  assert.deepEqual(networks.slice(13, 16), ['172.31.0.0/16', '192.168.0.0/20', '192.168.16.0/20']);
  assert.throws(() => planSubnets({ ...PLAN, networks: [...networks, '172.20.0.0/16'] }), {
    code: 'unavailable',
    message: 'all predefined address pools have been fully subnetted',
  });
});

test('a pool of one’s own is used, a route that covers it all leaves nothing', () => {
  const pools = parsePools([{ base: '10.9.8.7/8', size: 24 }]);
  assert.equal(planSubnets({ ...PLAN, pools, routes: ['10.0.0.0/9'] })[0]?.subnet, '10.128.0.0/24');
  assert.throws(() => planSubnets({ ...PLAN, pools, routes: ['10.0.0.0/8'] }), EngineError);
  for (const bad of [
    { base: 'x', size: 8 },
    { base: '10.0.0.0/8', size: 7 },
    { base: '10.0.0.0/8', size: 33 },
  ]) {
    assert.throws(() => parsePools([bad]), { code: 'invalid_argument' });
  }
});

test('unique local subnets are stable for a host and differ between hosts', () => {
  const pool = ulaPool('machine');
  assert.deepEqual(pool, ulaPool('machine'));
  assert.notDeepEqual(pool, ulaPool('other'));
  assert.ok(overlaps(parseCidr(pool.base), parseCidr('fd00::/8')));
  const made = planSubnets({ ...PLAN, families: [4, 6], pools: [...DEFAULT_POOLS, pool] });
  assert.equal(made.length, 2);
  assert.match(made[1]?.subnet ?? '', /^fd.*::\/64$/);
  assert.match(made[1]?.gateway ?? '', /^fd.*::1$/);
});

test('any chosen subnet overlaps nothing that is used', () => {
  const prefix = fc
    .tuple(fc.nat(0xffff), fc.integer({ min: 12, max: 28 }))
    .map(([n, length]) =>
      parseCidr(
        `${n % 2 === 0 ? '172' : '192'}.${(n >> 8) % 2 === 0 ? 16 + (n % 16) : 168}.${n & 255}.0/${length}`,
      ),
    );
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 20 }), (used) => {
      try {
        const chosen = choosePool(4, DEFAULT_POOLS, used);
        assert.ok(!used.some((one) => overlaps(one, chosen)), formatCidr(chosen));
      } catch (error) {
        assert.ok(error instanceof EngineError && error.code === 'unavailable', String(error));
      }
    }),
    { numRuns: 200 },
  );
});

test('what is asked for is checked in Docker’s words', () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ subnet: 'x' }, /^invalid network config:\ninvalid subnet x: invalid CIDR block notation$/],
    [{ subnet: '127.0.1.0/24' }, /invalid subnet 127\.0\.1\.0\/24: it has the loopback addresses/],
    [{ subnet: '::/8' }, /invalid subnet ::\/8: it has the loopback address in it$/],
    [
      { subnet: '239.1.0.0/16' },
      /invalid subnet 239\.1\.0\.0\/16: it has multicast addresses in it$/,
    ],
    [{ subnet: 'ff02::/64' }, /invalid subnet ff02::\/64: it has multicast addresses in it$/],
    [{ subnet: '::/0' }, /invalid subnet ::\/0: it is every address there is$/],
    [{ subnet: '10.1.2.3/16' }, /invalid subnet 10\.1\.2\.3\/16: it should be 10\.1\.0\.0\/16/],
    [{ subnet: '10.1.0.0/16', ipRange: '10.1.5.7/24' }, /it should be 10\.1\.5\.0\/24/],
    [
      { subnet: '10.1.0.0/16', ipRange: '10.2.0.0/24' },
      /parent subnet 10\.1\.0\.0\/16 doesn't contain ip-range/,
    ],
    [{ subnet: '10.1.0.0/16', ipRange: '10.0.0.0/8' }, /doesn't contain ip-range/],
    [
      { subnet: '10.1.0.0/16', gateway: 'fd00::1' },
      /invalid gateway fd00::1: parent subnet is an IPv4 block/,
    ],
    [{ subnet: '10.1.0.0/16', gateway: '10.2.0.1' }, /doesn't contain this address/],
    [{ subnet: '10.1.0.0/16', gateway: 'no' }, /invalid gateway no: invalid address/],
    [
      { subnet: '10.1.0.0/16', auxAddresses: { a: '10.2.0.1' } },
      /invalid auxiliary address 10\.2\.0\.1/,
    ],
    [{ gateway: '10.2.0.1' }, /no matching subnet for gateway 10\.2\.0\.1/],
  ];
  for (const [request, message] of cases) {
    assert.throws(() => planSubnets({ ...PLAN, requests: [request] }), {
      code: 'invalid_argument',
      message,
    });
  }
  const overlapping = { ...PLAN, requests: [{ subnet: '10.1.0.0/16' }] };
  for (const networks of [['10.0.0.0/8'], ['10.1.2.0/24']]) {
    assert.throws(() => planSubnets({ ...overlapping, networks }), {
      code: 'forbidden',
      message: 'invalid pool request: Pool overlaps with other one on this address space',
    });
  }
  const twice = { requests: [{ subnet: '10.1.0.0/16' }, { subnet: '10.1.2.0/24' }] };
  assert.throws(() => planSubnets({ ...PLAN, ...twice }), { code: 'forbidden' });
});

test('gateway, range and auxiliary addresses are kept, or chosen', () => {
  const [asked, second] = planSubnets({
    ...PLAN,
    requests: [
      {
        subnet: '10.1.0.0/16',
        ipRange: '10.1.5.0/24',
        gateway: '10.1.5.254',
        auxAddresses: { a: '10.1.5.1' },
      },
      { subnet: '10.2.0.0/24', auxAddresses: { b: '10.2.0.1' } },
    ],
    routes: ['10.0.0.0/8'],
  });
  assert.deepEqual(asked, {
    subnet: '10.1.0.0/16',
    ipRange: '10.1.5.0/24',
    gateway: '10.1.5.254',
    auxAddresses: { a: '10.1.5.1' },
    userConfigured: true,
  });
  assert.equal(second?.gateway, '10.2.0.2');
  const requests = [{ subnet: '10.1.0.0/16' }];
  assert.equal(planSubnets({ ...PLAN, requests, withGateway: false })[0]?.gateway, undefined);
});

test('addresses go up and wrap: a released one is given again last', () => {
  const pool = allocator([subnet('10.0.0.0/29', { gateway: '10.0.0.1' })]);
  const ips = ['a', 'b', 'c', 'd', 'e'].map((owner) => pool.allocate(4, owner));
  assert.deepEqual(ips, ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  assert.throws(() => pool.allocate(4, 'f'), {
    code: 'unavailable',
    message: "no available IPv4 addresses on this network's address pools: net (abc)",
  });
  pool.release('10.0.0.3', 'somebody else');
  assert.throws(() => pool.allocate(4, 'f'), EngineError);
  pool.release('10.0.0.3', 'b');
  pool.release('10.0.0.5', 'd');
  assert.deepEqual([pool.allocate(4, 'f'), pool.allocate(4, 'g')], ['10.0.0.3', '10.0.0.5']);
});

test('an address can be claimed, but not one that somebody has', () => {
  const pool = allocator([
    subnet('10.0.0.0/24', {
      gateway: '10.0.0.1',
      ipRange: '10.0.0.128/25',
      auxAddresses: { r: '10.0.0.9' },
    }),
    subnet('fd00::/64', { gateway: 'fd00::1' }),
  ]);
  assert.equal(pool.claim('10.0.0.7', 'a'), '10.0.0.7');
  assert.equal(pool.claim('10.0.0.7', 'a'), '10.0.0.7');
  assert.equal(pool.claim('FD00:0::7', 'a'), 'fd00::7');
  for (const ip of [
    '10.0.0.7',
    '10.0.0.1',
    '10.0.0.9',
    '10.0.0.0',
    '10.0.0.255',
    'fd00::',
    'fd00::7',
  ]) {
    assert.throws(() => pool.claim(ip, 'b'), {
      code: 'forbidden',
      message: 'Address already in use',
    });
  }
  assert.throws(() => pool.claim('10.0.1.7', 'b'), { code: 'invalid_argument' });
  assert.equal(pool.allocate(4, 'b'), '10.0.0.128');
  assert.equal(pool.allocate(6, 'b'), 'fd00::2');
  assert.equal(pool.prefixLengthOf('fd00::2'), 64);
});

test('subnets of one and two addresses have no network and broadcast address', () => {
  const two = allocator([subnet('10.0.0.0/31', { gateway: '10.0.0.0' })]);
  assert.equal(two.allocate(4, 'a'), '10.0.0.1');
  assert.throws(() => two.allocate(4, 'b'), EngineError);
  const one = allocator([subnet('10.0.0.4/32')]);
  assert.equal(one.allocate(4, 'a'), '10.0.0.4');
  assert.throws(() => one.allocate(4, 'b'), EngineError);
});

test('the next subnet of the family is used when the first is full', () => {
  const pool = allocator([subnet('10.0.0.0/31'), subnet('10.1.0.0/31')]);
  const ips = ['a', 'b', 'c', 'd'].map((owner) => pool.allocate(4, owner));
  assert.deepEqual(ips, ['10.0.0.0', '10.0.0.1', '10.1.0.0', '10.1.0.1']);
});

test('IPv4 stands first, in whatever order the subnets were named or chosen', () => {
  const requests = [{ subnet: 'fd00::/64' }];
  const planned = planSubnets({ ...PLAN, families: [4, 6], requests });
  assert.deepEqual(
    planned.map((one) => one.subnet),
    ['172.17.0.0/16', 'fd00::/64'],
  );
});

test('whatever is asked in whatever order: never twice, never outside, and given back', () => {
  const action = fc.oneof(
    fc.record({ verb: fc.constant('allocate' as const), owner: fc.nat(30) }),
    fc.record({ verb: fc.constant('claim' as const), owner: fc.nat(30), host: fc.nat(70) }),
    fc.record({ verb: fc.constant('release' as const), owner: fc.nat(30) }),
    fc.record({ verb: fc.constant('restart' as const) }),
  );
  const shape = fc.constantFrom(
    subnet('10.0.0.0/28', { gateway: '10.0.0.1' }),
    subnet('10.0.0.0/26', {
      gateway: '10.0.0.63',
      ipRange: '10.0.0.32/29',
      auxAddresses: { a: '10.0.0.33' },
    }),
    subnet('10.0.0.0/30', { gateway: '10.0.0.2' }),
  );
  fc.assert(
    fc.property(shape, fc.array(action, { maxLength: 60 }), (one, actions) => {
      const held = new Map<string, string>();
      const leases = () => [...held].map(([ip, owner]) => ({ ip, owner }));
      let pool = allocator([one]);
      const range = parseCidr(one.ipRange ?? one.subnet);
      for (const step of actions) {
        if (step.verb === 'restart') {
          pool = allocator([one], leases());
          continue;
        }
        const owner = `o${step.owner}`;
        if (step.verb === 'release') {
          for (const [ip, holder] of held)
            if (holder === owner) {
              pool.release(ip, owner);
              held.delete(ip);
            }
          continue;
        }
        try {
          const ip =
            step.verb === 'allocate'
              ? pool.allocate(4, owner)
              : pool.claim(`10.0.0.${step.host}`, owner);
          assert.ok(
            !held.has(ip) || (held.get(ip) === owner && step.verb === 'claim'),
            `${ip} twice`,
          );
          assert.ok(contains(parseCidr(one.subnet), parseIp(ip)));
          if (step.verb === 'allocate') assert.ok(contains(range, parseIp(ip)), `${ip} outside`);
          assert.notEqual(ip, one.gateway);
          assert.ok(!Object.values(one.auxAddresses).includes(ip));
          held.set(ip, owner);
        } catch (error) {
          assert.ok(error instanceof EngineError, String(error));
        }
      }
      // Exhaustion is real: as many as fit, and no more.
      try {
        for (;;) held.set(pool.allocate(4, 'last'), 'last');
      } catch (error) {
        assert.ok(error instanceof EngineError && error.code === 'unavailable');
      }
      const inside = [...held.keys()].filter((ip) => contains(range, parseIp(ip))).length;
      const wanted = { '10.0.0.0/28': 13, '10.0.0.0/26': 7, '10.0.0.0/30': 1 }[one.subnet];
      assert.equal(inside, wanted);
    }),
    { numRuns: 200 },
  );
});

test('two owners of one address in the records are seen', () => {
  const leases = [
    { ip: '10.0.0.2', owner: 'a' },
    { ip: '10.0.0.2', owner: 'b' },
  ];
  assert.throws(() => allocator([subnet('10.0.0.0/24')], leases), { code: 'corrupt' });
});

test('MAC addresses: from the address, at random, and parsed', () => {
  assert.equal(macFromIp('172.17.0.2'), '02:42:ac:11:00:02');
  assert.equal(macFromRandom(new Uint8Array(6).fill(255)), 'fe:ff:ff:ff:ff:ff');
  assert.equal(macFromRandom(new Uint8Array(6)), '02:00:00:00:00:00');
  assert.equal(parseMac('02-42-AC-11-00-02'), '02:42:ac:11:00:02');
  assert.equal(parseMac('0242.ac11.0002'), '02:42:ac:11:00:02');
  for (const bad of [
    '',
    '02:42',
    '02:42:ac:11:00:0g',
    '01:00:5e:00:00:01',
    '00:00:00:00:00:00',
    '02:42-ac:11:00:02',
    '02:42:ac:11:00:02\n',
  ]) {
    assert.throws(() => parseMac(bad), { code: 'invalid_argument' }, bad);
  }
});
