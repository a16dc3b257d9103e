// The networks that are always there: none, host, and the default bridge as the daemon's flags want
// it. Their ids are made once for a data root, so that a restart changes nothing that a client saw.
import { now } from '#base/clock.ts';
import { EngineError, messageOf } from '#base/error.ts';
import { newId } from '#base/id.ts';
import { formatCidr, formatIp, networkOf, parseCidr, parseIp } from '#base/ip-address.ts';
import type { Core } from './core.ts';
import { planNetwork } from './create.ts';
import { OPTION } from './driver/bridge/options.ts';
import type { NetworkRecord, NetworkRequest } from './engine.ts';
import { familyOf, type SubnetRequest } from './ipam/subnet.ts';
import { DEFAULT_GATEWAY } from './lease.ts';

/** What the flags say of the default bridge; "" and undefined = nothing. */
export type DefaultBridge = {
  /** "none" = there is no such network. */
  readonly bridge: string;
  /** The bridge's own address with its prefix, "172.17.0.1/16". */
  readonly bip: string;
  readonly bip6: string;
  /** Containers get addresses from here. */
  readonly fixedCidr: string;
  readonly fixedCidr6: string;
  /** What containers use instead of the bridge's address. */
  readonly gateway: string;
  readonly gateway6: string;
  readonly icc: boolean;
  readonly masquerade: boolean;
  readonly ipv6: boolean;
  /** --ip: where ports are published that name no address. */
  readonly hostBinding: string;
  readonly mtu: number | undefined;
};

export const NO_BRIDGE = 'none';

/** Of one family; undefined = the pools choose. */
export function subnetRequest(
  family: 4 | 6,
  { bip, fixed, gateway }: { bip: string; fixed: string; gateway: string },
): SubnetRequest | undefined {
  if (bip === '' && fixed === '') {
    if (gateway === '') return undefined;
    throw new EngineError(
      'invalid_argument',
      `a default gateway needs a subnet to be in: give ${family === 4 ? '--bip' : '--bip6'} too`,
    );
  }
  const subnet = formatCidr(networkOf(parseCidr(bip === '' ? fixed : bip)));
  return {
    subnet,
    ...(bip === '' ? {} : { gateway: formatIp(parseCidr(bip).address) }),
    ...(bip === '' || fixed === '' ? {} : { ipRange: formatCidr(networkOf(parseCidr(fixed))) }),
    ...(gateway === ''
      ? {}
      : { auxAddresses: { [DEFAULT_GATEWAY[family]]: formatIp(parseIp(gateway)) } }),
  };
}

/** The default bridge as a request; `found` is the address of a bridge that is there already. */
export function bridgeRequest(wanted: DefaultBridge, found: string): NetworkRequest {
  const { bip, fixedCidr, gateway, bip6, fixedCidr6, gateway6 } = wanted;
  const four = subnetRequest(4, {
    bip: bip === '' && fixedCidr === '' ? found : bip,
    fixed: fixedCidr,
    gateway,
  });
  const six = subnetRequest(6, { bip: bip6, fixed: fixedCidr6, gateway: gateway6 });
  return {
    name: 'bridge',
    driver: 'bridge',
    ipv4: true,
    ipv6: wanted.ipv6,
    internal: false,
    attachable: false,
    scope: '',
    configOnly: false,
    configFrom: '',
    options: {
      [OPTION.defaultBridge]: 'true',
      [OPTION.icc]: String(wanted.icc),
      [OPTION.masquerade]: String(wanted.masquerade),
      [OPTION.hostBinding]: wanted.hostBinding === '' ? '0.0.0.0' : wanted.hostBinding,
      [OPTION.bridgeName]: wanted.bridge,
      [OPTION.mtu]: String(wanted.mtu ?? 1500),
    },
    labels: {},
    ipam: {
      driver: 'default',
      options: {},
      requests: [...(four === undefined ? [] : [four]), ...(six === undefined ? [] : [six])],
    },
  };
}

const endless = (name: string, driver: 'host' | 'null'): NetworkRequest => ({
  name,
  driver,
  ipv4: true,
  ipv6: false,
  internal: false,
  attachable: false,
  scope: '',
  configOnly: false,
  configFrom: '',
  options: {},
  labels: {},
  ipam: { driver: 'default', options: {}, requests: [] },
});

/** Whether the stored bridge is what the flags want now; a chosen subnet stays chosen. */
function isAsWanted(stored: NetworkRecord, request: NetworkRequest): boolean {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (!same(stored.options, request.options) || stored.ipv6 !== request.ipv6) return false;
  const named = stored.ipam.subnets.filter(({ userConfigured }) => userConfigured);
  if (named.length !== request.ipam.requests.length) return false;
  return request.ipam.requests.every((one) =>
    named.some(
      (subnet) =>
        subnet.subnet === one.subnet &&
        (one.gateway === undefined || subnet.gateway === one.gateway) &&
        subnet.ipRange === one.ipRange &&
        same(subnet.auxAddresses, one.auxAddresses ?? {}),
    ),
  );
}

/** The IPv4 address of a bridge that somebody made for us (--bridge br0), "" when there is none. */
async function addressOnHost(core: Core, bridge: string): Promise<string> {
  const link = await core.netlink.link('', bridge);
  if (link === undefined || link.alias?.startsWith('coracle ') === true) return '';
  const addresses = await core.netlink.addresses('');
  const found = addresses.find((one) => one.link === link.index && one.family === 'inet');
  return found === undefined ? '' : `${found.address}/${found.prefixLength}`;
}

async function ensureBridge(core: Core, wanted: DefaultBridge): Promise<readonly string[]> {
  const stored = core.networks.named('bridge');
  if (wanted.bridge === NO_BRIDGE) {
    if (stored !== undefined && !inUse(core, stored)) await core.networks.delete(stored);
    return [];
  }
  const asks = wanted.bip !== '' || wanted.fixedCidr !== '';
  const found = asks || stored !== undefined ? '' : await addressOnHost(core, wanted.bridge);
  const request = bridgeRequest(wanted, found);
  if (stored !== undefined && isAsWanted(stored, request)) return [];
  if (stored !== undefined && inUse(core, stored)) {
    return ['the default bridge keeps its old settings: containers are running on it'];
  }
  const as = { id: stored?.id ?? newId(), createdAt: stored?.createdAt ?? now() };
  const planned = await planNetwork(core, request, as);
  await core.networks.put(stored === undefined ? planned : keepChosen(stored, planned));
  return [];
}

/** A subnet that the pools chose before stays, whatever else of the bridge changes. */
export function keepChosen(stored: NetworkRecord, planned: NetworkRecord): NetworkRecord {
  const subnets = planned.ipam.subnets.map((subnet) => {
    const before = stored.ipam.subnets.find(
      (one) => !one.userConfigured && familyOf(one.subnet) === familyOf(subnet.subnet),
    );
    return subnet.userConfigured ? subnet : (before ?? subnet);
  });
  return { ...planned, ipam: { ...planned.ipam, subnets } };
}

function inUse(core: Core, record: NetworkRecord): boolean {
  return core.sandboxes
    .list()
    .some(({ endpoints }) => endpoints.some(({ networkId }) => networkId === record.id));
}

/** At the daemon's start; answers what could not be as wanted. */
export async function ensurePredefined(
  core: Core,
  wanted: DefaultBridge,
): Promise<readonly string[]> {
  for (const request of [endless('none', 'null'), endless('host', 'host')]) {
    if (core.networks.named(request.name) !== undefined) continue;
    const as = { id: newId(), createdAt: now() };
    await core.networks.put(await planNetwork(core, request, as));
  }
  try {
    return await ensureBridge(core, wanted);
  } catch (error) {
    throw new EngineError(
      'invalid_argument',
      `Error initializing network controller: error creating default "bridge" network: ` +
        messageOf(error),
      { cause: error },
    );
  }
}
