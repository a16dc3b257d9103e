// The daemon's flags and keys about networks, as dockerd names them. Pure.
import { EngineError } from '#base/error.ts';
import { formatIp, parseCidr, parseIp, readIp } from '#base/ip-address.ts';
import { FIREWALL_BACKENDS, type FirewallBackendName } from '#kernel/netfilter/firewall.ts';
import { parseTableName } from '#kernel/netfilter/state.ts';
import { checkInterfaceName } from '#kernel/netlink/message.ts';
import { type AddressPool, DEFAULT_POOLS, parsePools } from '#network/ipam/pool.ts';
import type { DefaultOptions } from '#network/core.ts';
import { type DefaultBridge, NO_BRIDGE, subnetRequest } from '#network/predefined.ts';

export type NetworkConfig = {
  /** Its name is "" = chosen by the data root. */
  readonly defaultBridge: DefaultBridge;
  readonly pools: readonly AddressPool[];
  /** --ip-forward: whether forwarding may be switched on. */
  readonly mayForward: boolean;
  readonly firewallBackend: FirewallBackendName;
  /** "" = chosen by the data root. */
  readonly firewallTable: string;
  readonly dns: {
    readonly servers: readonly string[] | undefined;
    readonly search: readonly string[] | undefined;
    readonly options: readonly string[] | undefined;
  };
  /** What --add-host x:host-gateway means; none = the default bridge's address. */
  readonly hostGateways: readonly string[];
  /** Options of new networks of a driver. */
  readonly defaultOptions: DefaultOptions;
};

const MTU_MIN = 68;
const MTU_MAX = 65_535;
const POOLS_MAX = 128;

type Values = ReadonlyMap<string, unknown>;

const invalid = (message: string): EngineError => new EngineError('invalid_argument', message);

export function makeNetworkConfig(values: Values): NetworkConfig {
  const text = (key: string): string => {
    const value = values.get(key);
    return typeof value === 'string' ? value : '';
  };
  const flag = (key: string, fallback: boolean): boolean => {
    const value = values.get(key);
    return typeof value === 'boolean' ? value : fallback;
  };
  const texts = (key: string): readonly string[] | undefined => {
    const value = values.get(key) as readonly string[] | undefined;
    return value === undefined || value.length === 0 ? undefined : value;
  };
  const table = text('firewall-table');
  return {
    defaultBridge: makeBridge(text, flag, values),
    pools: makePools(values.get('default-address-pools')),
    mayForward: flag('ip-forward', true),
    firewallBackend: parseBackend(text('firewall-backend')),
    firewallTable: table === '' ? '' : parseTableName(table),
    dns: { servers: texts('dns'), search: texts('dns-search'), options: texts('dns-opts') },
    hostGateways: parseHostGateways(text('host-gateway-ip'), texts('host-gateway-ips') ?? []),
    defaultOptions: parseDefaultOptions(values.get('default-network-opts')),
  };
}

/** dockerd's rule: one of each family at most; the first key is its older one. */
function parseHostGateways(one: string, list: readonly string[]): readonly string[] {
  if (one !== '' && list.length > 0) {
    throw invalid('host-gateway-ip and host-gateway-ips are the same: leave one out');
  }
  const all = (one === '' ? list : [one]).map((text) => parseIp(text));
  if (new Set(all.map(({ family }) => family)).size < all.length) {
    throw invalid('host-gateway-ips can be one IPv4 and one IPv6 address');
  }
  return all.map(formatIp);
}

/** {"bridge": {"com.docker.network.driver.mtu": "1400"}} */
function parseDefaultOptions(value: unknown): DefaultOptions {
  const byDriver: Record<string, Readonly<Record<string, string>>> = {};
  for (const [driver, options] of Object.entries((value ?? {}) as Record<string, unknown>)) {
    const isMap = typeof options === 'object' && options !== null && !Array.isArray(options);
    const entries = isMap ? Object.entries(options) : [];
    if (!isMap || entries.some(([, each]) => typeof each !== 'string')) {
      throw invalid(`default-network-opts of ${driver}: they are texts by their names`);
    }
    byDriver[driver] = Object.fromEntries(entries);
  }
  return byDriver;
}

function parseBackend(name: string): FirewallBackendName {
  if (name === '') return 'nftables';
  if (Object.hasOwn(FIREWALL_BACKENDS, name)) return name as FirewallBackendName;
  const known = Object.keys(FIREWALL_BACKENDS).join(' or ');
  throw invalid(`invalid firewall-backend ${JSON.stringify(name)}: it should be ${known}`);
}

function makeBridge(
  text: (key: string) => string,
  flag: (key: string, fallback: boolean) => boolean,
  values: Values,
): DefaultBridge {
  const bridge = text('bridge');
  if (bridge !== '') checkInterfaceName(bridge);
  const address = (key: string, family: 4 | 6): string => {
    const value = text(key);
    if (value === '' || readIp(value)?.family === family) return value;
    throw invalid(`${key} ${JSON.stringify(value)} is no IPv${family} address`);
  };
  const prefix = (key: string, family: 4 | 6): string => {
    const value = text(key);
    if (value !== '' && parseCidr(value).address.family !== family) {
      throw invalid(`${key} ${value} is no IPv${family} prefix`);
    }
    return value;
  };
  const wanted: DefaultBridge = {
    bridge,
    bip: prefix('bip', 4),
    bip6: prefix('bip6', 6),
    fixedCidr: prefix('fixed-cidr', 4),
    fixedCidr6: prefix('fixed-cidr-v6', 6),
    gateway: address('default-gateway', 4),
    gateway6: address('default-gateway-v6', 6),
    icc: flag('icc', true),
    masquerade: flag('ip-masq', true),
    ipv6: flag('ipv6', false),
    hostBinding: address('ip', 4),
    mtu: parseMtu(values.get('mtu')),
  };
  if (bridge === NO_BRIDGE && (wanted.bip !== '' || wanted.fixedCidr !== '')) {
    throw invalid('--bridge none and --bip exclude each other: there is no default bridge');
  }
  // Here, where the daemon can still say which flag was wrong.
  subnetRequest(4, { bip: wanted.bip, fixed: wanted.fixedCidr, gateway: wanted.gateway });
  subnetRequest(6, { bip: wanted.bip6, fixed: wanted.fixedCidr6, gateway: wanted.gateway6 });
  return wanted;
}

function parseMtu(value: unknown): number | undefined {
  if (value === undefined || value === '' || value === 0 || value === '0') return undefined;
  const mtu = Number(value);
  if (Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= MTU_MAX) return mtu;
  throw invalid(`invalid default MTU ${String(value)}: it is not ${MTU_MIN} to ${MTU_MAX}`);
}

/** From the file as {"base", "size"}, from flags as "base=10.0.0.0/8,size=24". */
function makePools(value: unknown): readonly AddressPool[] {
  const items = Array.isArray(value) ? (value as readonly unknown[]) : [];
  if (items.length === 0) return DEFAULT_POOLS;
  if (items.length > POOLS_MAX) throw invalid(`more than ${POOLS_MAX} default address pools`);
  return parsePools(items.map(makePool));
}

function makePool(item: unknown): AddressPool {
  const fields =
    typeof item === 'string'
      ? Object.fromEntries(item.split(',').map((part) => part.split('=', 2)))
      : ((item ?? {}) as Record<string, unknown>);
  const { base, size } = fields;
  if (typeof base !== 'string' || !/^\d{1,3}$/.test(String(size))) {
    throw invalid(
      `invalid default address pool ${JSON.stringify(item)}: it should be like ` +
        'base=10.10.0.0/16,size=24',
    );
  }
  return { base, size: Number(size) };
}
