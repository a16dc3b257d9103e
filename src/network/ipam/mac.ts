// MAC addresses of endpoints. Docker before 28 made them from the IPv4 address, since 28 at random;
// both are locally administered unicast (IEEE 802: second lowest bit of the first octet set, lowest
// clear).
import { EngineError } from '#base/error.ts';
import { parseIp } from '#base/ip-address.ts';

const OCTETS = 6;
const hex = (octets: Iterable<number>): string =>
  [...octets].map((octet) => octet.toString(16).padStart(2, '0')).join(':');

/** 02:42 and the four octets of the address: the same container keeps its MAC with its address. */
export function macFromIp(ip: string): string {
  const { family, value } = parseIp(ip);
  if (family !== 4) throw new EngineError('invalid_argument', `${ip} is not an IPv4 address`);
  return hex([0x02, 0x42, ...[24n, 16n, 8n, 0n].map((shift) => Number((value >> shift) & 0xffn))]);
}

/** From six random octets. */
export function macFromRandom(random: Uint8Array): string {
  const octets = Uint8Array.from(random.subarray(0, OCTETS));
  if (octets.length < OCTETS) throw new EngineError('internal', 'a MAC needs six octets');
  octets[0] = ((octets[0] ?? 0) & 0xfc) | 0x02;
  return hex(octets);
}

/** Parses --mac-address in any usual spelling; refuses what an interface cannot have. */
export function parseMac(text: string): string {
  const match = /^(?:[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2})$/.exec(text);
  const dotted = /^(?:[0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}$/.test(text);
  if (match === null && !dotted) {
    throw new EngineError(
      'invalid_argument',
      `invalid MAC address: address ${text}: invalid MAC address`,
    );
  }
  const octets = Buffer.from(text.replace(/[.:-]/g, ''), 'hex');
  const isGroup = ((octets[0] ?? 0) & 1) === 1;
  if (isGroup || octets.every((octet) => octet === 0)) {
    throw new EngineError(
      'invalid_argument',
      `invalid MAC address: ${text} is not a unicast address`,
    );
  }
  return hex(octets);
}
