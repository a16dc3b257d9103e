// Networks that only lend their settings, and those that take them: kept over a daemon's end, and
// never a network that somebody could be on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { idOf, networkRequest, sandboxRequest, ServiceHost, wish } from './service-host.ts';

let host: ServiceHost;

before(async () => {
  host = await ServiceHost.open();
});

after(async () => {
  await host[Symbol.asyncDispose]();
});

const SUBNET = { subnet: '10.77.0.0/24', gateway: '10.77.0.5', ipRange: '10.77.0.128/25' };
const forbidden = (message: RegExp) => ({ code: 'forbidden', message });

test('a network takes the settings of one that only lends them, which stays as long as it does', async () => {
  const first = await host.service('lend');
  const options = { 'com.docker.network.driver.mtu': '1400' };
  const change = { configOnly: true, subnets: [SUBNET], options, labels: { a: 'b' } };
  await first.create(networkRequest('lender', change));
  await first.create(networkRequest('taker', { configFrom: 'lender', internal: true }));
  const service = await host.service('lend');
  const lender = service.inspect('lender');
  assert.equal(lender.predefined, false);
  assert.deepEqual([lender.record.driver, lender.record.ipam.subnets], ['null', []]);
  const { record } = service.inspect('taker');
  assert.deepEqual(
    [record.configFrom, record.internal, record.options, record.labels],
    ['lender', true, options, { a: 'b' }],
  );
  assert.deepEqual(record.ipam.subnets, [{ ...SUBNET, auxAddresses: {}, userConfigured: true }]);
  await service.open(sandboxRequest('c', [wish('taker')]));
  assert.equal(service.sandbox(idOf('c'))?.endpoints[0]?.ip, '10.77.0.128');
  await assert.rejects(
    service.create(networkRequest('second', { configFrom: 'lender' })),
    forbidden(/Pool overlaps/),
  );
  await assert.rejects(
    service.remove('lender'),
    forbidden(/^error while removing network: configuration network "lender" is in use$/),
  );
  await service.close(idOf('c'));
  assert.deepEqual(await service.prune(() => true), ['taker']);
  await service.remove('lender');
});

test('nobody is on a network that only lends its settings, and it has nothing of an operator', async () => {
  const service = await host.service('refuse');
  await service.create(networkRequest('lender', { configOnly: true }));
  const taken = /^cannot create endpoint on configuration-only network$/;
  const open = service.open(sandboxRequest('c', [wish('lender')]));
  await assert.rejects(open, forbidden(taken));
  await service.create(networkRequest('net'));
  await service.open(sandboxRequest('c', [wish('net')]));
  await assert.rejects(service.connect(idOf('c'), wish('lender')), forbidden(taken));
  await service.close(idOf('c'));
  const refused: readonly (readonly [Parameters<typeof networkRequest>[1], RegExp])[] = [
    [{ configOnly: true, internal: true }, /^configuration network can only contain network/],
    [{ configOnly: true, attachable: true }, /^configuration network can only contain network/],
    [{ configOnly: true, scope: 'local' }, /^configuration network can only contain network/],
    [{ configOnly: true, configFrom: 'lender' }, /^a configuration network cannot depend on/],
    [{ configFrom: 'lender', labels: { a: '' } }, /^user specified configurations are not/],
    [{ configFrom: 'lender', ipv6: true }, /^user specified configurations are not supported/],
    [{ configFrom: 'lender', subnets: [SUBNET] }, /^user specified configurations are not/],
    [{ configFrom: 'lender', options: { a: 'b' } }, /^network driver options are not supported/],
  ];
  for (const [change, message] of refused) {
    await assert.rejects(service.create(networkRequest('bad', change)), forbidden(message));
  }
  for (const configFrom of ['nothing', 'net', 'none']) {
    await assert.rejects(service.create(networkRequest('bad', { configFrom })), {
      code: 'not_found',
      message: `configuration network "${configFrom}" does not exist`,
    });
  }
  const subnets = [{ subnet: '10.0.0.1/24' }];
  await assert.rejects(service.create(networkRequest('bad', { configOnly: true, subnets })), {
    code: 'invalid_argument',
  });
  await service.remove('lender');
});
