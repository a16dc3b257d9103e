// Networks that only lend their settings (--config-only), and those that take them from one
// (--config-from). The first is no network of any driver: it has no subnet, and nobody can be on
// it. What it was asked for is decided anew for each that takes it. Pure; texts are Docker's.
import { EngineError } from '#base/error.ts';
import type { NetworkRecord, NetworkRequest } from './engine.ts';
import { checkRequests } from './ipam/subnet.ts';

const forbid = (message: string): EngineError => new EngineError('forbidden', message);

export function configRecord(
  request: NetworkRequest,
  as: { readonly id: string; readonly createdAt: bigint },
): NetworkRecord {
  const { name, ipv4, ipv6, options, labels, ipam } = request;
  if (request.internal || request.attachable || request.scope !== '') {
    throw forbid(
      'configuration network can only contain network specific fields. Network operator fields ' +
        'like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (request.configFrom !== '') {
    throw forbid('a configuration network cannot depend on another configuration network');
  }
  checkRequests(ipam.requests);
  return {
    version: 1,
    ...as,
    name,
    driver: 'null',
    ipv4: ipv4 ?? true,
    ipv6: ipv6 ?? false,
    internal: false,
    attachable: false,
    options,
    labels,
    ipam: {
      driver: ipam.driver === '' ? 'default' : ipam.driver,
      options: ipam.options,
      subnets: [],
    },
    lends: ipam.requests,
  };
}

/** The request with the settings of the network that it names; it may have none of its own. */
export function borrow(
  request: NetworkRequest,
  find: (name: string) => NetworkRecord | undefined,
): NetworkRequest {
  const { configFrom, ipam } = request;
  if (configFrom === '') return request;
  const own = [request.labels, ipam.options, ipam.requests].some(
    (given) => Object.keys(given).length > 0,
  );
  if (own || request.ipv6 === true || !['', 'default'].includes(ipam.driver)) {
    throw forbid(
      'user specified configurations are not supported if the network depends on a configuration ' +
        'network',
    );
  }
  if (Object.keys(request.options).length > 0) {
    throw forbid(
      'network driver options are not supported if the network depends on a configuration network',
    );
  }
  const lender = find(configFrom);
  if (lender?.lends === undefined) {
    throw new EngineError('not_found', `configuration network "${configFrom}" does not exist`);
  }
  const { ipv4, ipv6, options, labels } = lender;
  const { driver, options: ipamOptions } = lender.ipam;
  const lent = { driver, options: ipamOptions, requests: lender.lends };
  return { ...request, ipv4, ipv6, options, labels, ipam: lent };
}

/** A lender stays as long as somebody has its settings. */
export function checkNotLent(record: NetworkRecord, others: readonly NetworkRecord[]): void {
  if (record.lends === undefined) return;
  if (!others.some(({ configFrom }) => configFrom === record.name)) return;
  throw forbid(`error while removing network: configuration network "${record.name}" is in use`);
}

export function checkTakesEndpoints({ lends }: NetworkRecord): void {
  if (lends === undefined) return;
  throw forbid('cannot create endpoint on configuration-only network');
}
