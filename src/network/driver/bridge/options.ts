// The options of a bridge network, under Docker's names, as values. An option that nobody knows is
// kept and has no effect, as in Docker; one that is known and wrong is refused.
import { EngineError } from '#base/error.ts';
import { readIp } from '#base/ip-address.ts';
import { checkInterfaceName } from '#kernel/netlink/message.ts';
import type { NetworkRecord } from '../../engine.ts';

export const OPTION = {
  bridgeName: 'com.docker.network.bridge.name',
  defaultBridge: 'com.docker.network.bridge.default_bridge',
  icc: 'com.docker.network.bridge.enable_icc',
  masquerade: 'com.docker.network.bridge.enable_ip_masquerade',
  hostBinding: 'com.docker.network.bridge.host_binding_ipv4',
  inhibit4: 'com.docker.network.bridge.inhibit_ipv4',
  gatewayMode4: 'com.docker.network.bridge.gateway_mode_ipv4',
  gatewayMode6: 'com.docker.network.bridge.gateway_mode_ipv6',
  trusted: 'com.docker.network.bridge.trusted_host_interfaces',
  host4: 'com.docker.network.host_ipv4',
  host6: 'com.docker.network.host_ipv6',
  mtu: 'com.docker.network.driver.mtu',
  interfacePrefix: 'com.docker.network.container_iface_prefix',
} as const;

export const GATEWAY_MODES = ['nat', 'nat-unprotected', 'routed', 'isolated'] as const;
export type BridgeGatewayMode = (typeof GATEWAY_MODES)[number];

export type BridgeSettings = {
  /** Name of the bridge. */
  readonly bridge: string;
  /** The network of containers that ask for none. */
  readonly isDefault: boolean;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Where ports are published that name no address; "" = everywhere. */
  readonly hostBinding: string;
  /** The bridge gets no IPv4 address: the gateway is somebody else. */
  readonly inhibit4: boolean;
  readonly gatewayMode4: BridgeGatewayMode;
  readonly gatewayMode6: BridgeGatewayMode;
  /** Interfaces of the host whose neighbours may reach published ports directly. */
  readonly trusted: readonly string[];
  /** Source addresses instead of the outgoing interface's; "" = masquerade. */
  readonly host4: string;
  readonly host6: string;
  readonly mtu: number | undefined;
  readonly interfacePrefix: string;
};

const MTU_MIN = 68; // RFC 791, 3.2
const MTU_MAX = 65_535;
const TRUSTED_MAX = 64;
const BRIDGE_PREFIX = 'co-';
const BRIDGE_ID_DIGITS = 12;
/** "eth" and four digits must fit in IFNAMSIZ. */
const PREFIX_LENGTH_MAX = 11;

/** strconv.ParseBool of Go. */
const BOOLEANS: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'TRUE', 'true', 'True'].map((word) => [word, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'FALSE', 'false', 'False'].map((word) => [word, false])),
};

function refuse(option: string, value: string, why: string): never {
  throw new EngineError('invalid_argument', `failed to parse ${option} value: ${value} (${why})`);
}

type Options = Readonly<Record<string, string>>;

function boolean(options: Options, option: string, fallback: boolean): boolean {
  const value = options[option];
  if (value === undefined) return fallback;
  const parsed = Object.hasOwn(BOOLEANS, value) ? BOOLEANS[value] : undefined;
  return parsed ?? refuse(option, JSON.stringify(value), 'it is neither true nor false');
}

function address(options: Options, option: string, family: 4 | 6): string {
  const value = options[option] ?? '';
  if (value === '' || readIp(value)?.family === family) return value;
  return refuse(option, JSON.stringify(value), `it is no IPv${family} address`);
}

function gatewayMode(options: Options, option: string): BridgeGatewayMode {
  const value = options[option] ?? '';
  if (value === '') return 'nat';
  const mode = GATEWAY_MODES.find((one) => one === value);
  return mode ?? refuse(option, JSON.stringify(value), `unknown gateway mode ${value}`);
}

/** Of any driver's network. */
export function parseMtu(options: Options): number | undefined {
  const value = options[OPTION.mtu];
  if (value === undefined || value === '' || value === '0') return undefined;
  const mtu = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (mtu >= MTU_MIN && mtu <= MTU_MAX) return mtu;
  return refuse(OPTION.mtu, JSON.stringify(value), `it is not ${MTU_MIN} to ${MTU_MAX}`);
}

/** "eth" of eth0; of any driver's network. */
export function parseInterfacePrefix(options: Options): string {
  const value = options[OPTION.interfacePrefix] ?? '';
  if (value === '') return 'eth';
  if (value.length > PREFIX_LENGTH_MAX || !/^[A-Za-z][A-Za-z0-9_.-]*$/.test(value)) {
    refuse(OPTION.interfacePrefix, JSON.stringify(value), 'it begins no name of an interface');
  }
  if (value === 'lo') refuse(OPTION.interfacePrefix, '"lo"', 'it is the loopback interface');
  return value;
}

function bridgeName(record: Pick<NetworkRecord, 'id' | 'options'>): string {
  const value = record.options[OPTION.bridgeName] ?? '';
  if (value === '') return BRIDGE_PREFIX + record.id.slice(0, BRIDGE_ID_DIGITS);
  // Also what a firewall rule may name: no blank, no quote, no wildcard.
  if (!/^[A-Za-z0-9_.@-]+$/.test(value)) {
    refuse(OPTION.bridgeName, JSON.stringify(value), 'it is no name of an interface');
  }
  checkInterfaceName(value);
  return value;
}

function trustedInterfaces(options: Options): readonly string[] {
  const value = options[OPTION.trusted] ?? '';
  const names = value === '' ? [] : value.split(':');
  if (names.length > TRUSTED_MAX) refuse(OPTION.trusted, '', `more than ${TRUSTED_MAX} names`);
  for (const name of names) {
    if (/^[A-Za-z0-9_.@-]{1,15}$/.test(name)) continue;
    refuse(OPTION.trusted, JSON.stringify(value), 'it holds what is no name of an interface');
  }
  return names;
}

type Described = Pick<NetworkRecord, 'id' | 'options'>;

/** Records are replaced, never changed. */
const parsed = new WeakMap<Described, BridgeSettings>();

export function parseBridge(record: Described): BridgeSettings {
  const known = parsed.get(record);
  if (known !== undefined) return known;
  const settings = parse(record);
  parsed.set(record, settings);
  return settings;
}

function parse(record: Described): BridgeSettings {
  const { options } = record;
  return {
    bridge: bridgeName(record),
    isDefault: boolean(options, OPTION.defaultBridge, false),
    icc: boolean(options, OPTION.icc, true),
    masquerade: boolean(options, OPTION.masquerade, true),
    hostBinding: address(options, OPTION.hostBinding, 4),
    inhibit4: boolean(options, OPTION.inhibit4, false),
    gatewayMode4: gatewayMode(options, OPTION.gatewayMode4),
    gatewayMode6: gatewayMode(options, OPTION.gatewayMode6),
    trusted: trustedInterfaces(options),
    host4: address(options, OPTION.host4, 4),
    host6: address(options, OPTION.host6, 6),
    mtu: parseMtu(options),
    interfacePrefix: parseInterfacePrefix(options),
  };
}
