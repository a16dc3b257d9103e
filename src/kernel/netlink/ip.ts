// IP and MAC addresses between their text and the bytes that netlink carries. Pure.
import { EngineError } from '#base/error.ts';
import { bitsOf, formatIp, parseCidr, parseIp } from '#base/ip-address.ts';
import { AF } from './message.ts';

export type Family = 'inet' | 'inet6';
export type Prefix = { readonly family: Family; readonly address: string; readonly length: number };

export const FAMILY_NUMBER = { inet: AF.INET, inet6: AF.INET6 } as const;

export function familyOf(address: string): Family {
  return parseIp(address).family === 4 ? 'inet' : 'inet6';
}

export function encodeIp(address: string): Buffer {
  const { family, value } = parseIp(address);
  return Buffer.from(value.toString(16).padStart(bitsOf(family) / 4, '0'), 'hex');
}

export function decodeIp(data: Uint8Array): string {
  if (data.length !== 4 && data.length !== 16) {
    throw new EngineError('internal', `the kernel sent an IP address of ${data.length} bytes`);
  }
  const hex = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');
  return formatIp({ family: data.length === 4 ? 4 : 6, value: BigInt(`0x${hex}`) });
}

/** "10.0.0.2/24"; without a length the whole address. Host bits are kept. */
export function parsePrefix(cidr: string): Prefix {
  const whole = cidr.includes('/') ? cidr : `${cidr}/${bitsOf(parseIp(cidr).family)}`;
  const { address, length } = parseCidr(whole);
  return { family: address.family === 4 ? 'inet' : 'inet6', address: formatIp(address), length };
}

/** "02:42:ac:11:00:02". */
export function encodeMac(mac: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) {
    throw new EngineError('invalid_argument', `invalid MAC address ${JSON.stringify(mac)}`);
  }
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function decodeMac(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
