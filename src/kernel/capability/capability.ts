// Linux capabilities (capabilities(7)): names, numbers, sets as bit masks, and what Docker's
// --cap-add, --cap-drop and --privileged make of them. Nothing here reads /proc or calls capset.
import { EngineError, isEngineError } from '#base/error.ts';

/** linux/capability.h; the index is the number. */
export const CAPABILITY_NAMES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;
export type CapabilityName = (typeof CAPABILITY_NAMES)[number];

/** A set of capabilities: bit N is capability N, as in /proc/PID/status. */
export type CapabilityMask = bigint;

const NUMBERS: ReadonlyMap<string, number> = new Map(
  CAPABILITY_NAMES.map((name, number) => [name, number]),
);

/** What root in a container has (hardening.md B01): 00000000a80425fb. */
export const DEFAULT_CAPABILITIES: readonly CapabilityName[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

export function isCapabilityName(name: string): name is CapabilityName {
  return NUMBERS.has(name);
}

export function maskOf(names: Iterable<string>): CapabilityMask {
  let mask = 0n;
  for (const name of names) {
    const number = NUMBERS.get(name);
    if (number === undefined) throw unknown(name);
    mask |= 1n << BigInt(number);
  }
  return mask;
}

/** The names of a mask, by number. Bits newer than our table have no name and are left out. */
export function namesOf(mask: CapabilityMask): CapabilityName[] {
  return CAPABILITY_NAMES.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n);
}

/** The bounding set from the text of /proc/self/status: what this daemon can give at most. */
export function parseBoundingSet(status: string): CapabilityMask {
  const match = /^CapBnd:\s*([0-9a-f]{1,16})$/m.exec(status);
  if (match === null) {
    throw new EngineError('unavailable', 'no CapBnd line in /proc/self/status');
  }
  return BigInt(`0x${match[1]}`);
}

export type CapabilityRequest = {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
  /** Of the daemon: parseBoundingSet(). */
  readonly bounding: CapabilityMask;
  /** Instead of DEFAULT_CAPABILITIES. */
  readonly base?: readonly CapabilityName[];
};

/**
 * The set of a container, with Docker's precedence: --privileged beats all; `add ALL` beats
 * `drop ALL`; a name that is both added and dropped is added, unless all are added.
 */
export function resolveCapabilities(request: CapabilityRequest): CapabilityMask {
  const { bounding } = request;
  if (request.privileged) return bounding;
  const add = wishesOf('CapAdd', request.add, bounding);
  const drop = wishesOf('CapDrop', request.drop, bounding);
  const dropped = maskOf(drop.filter((name) => name !== 'ALL'));
  const added = maskOf(add.filter((name) => name !== 'ALL'));
  if (add.includes('ALL')) return bounding & ~dropped;
  if (drop.includes('ALL')) return added;
  // A default that the daemon itself lacks cannot be given; Docker's runtime drops it too.
  const base = maskOf(request.base ?? DEFAULT_CAPABILITIES) & bounding;
  return (base & ~dropped) | added;
}

function wishesOf(
  field: 'CapAdd' | 'CapDrop',
  texts: readonly string[],
  bounding: CapabilityMask,
): readonly (CapabilityName | 'ALL')[] {
  return texts.map((text) => {
    try {
      return normaliseCapability(text, bounding);
    } catch (error) {
      if (!isEngineError(error)) throw error;
      throw new EngineError(error.code, `invalid ${field}: ${error.message}`, { cause: error });
    }
  });
}

/** "net_admin" and "CAP_NET_ADMIN" to "CAP_NET_ADMIN"; "all" to "ALL". */
export function normaliseCapability(
  text: string,
  bounding: CapabilityMask,
): CapabilityName | 'ALL' {
  const upper = text.toUpperCase();
  if (upper === 'ALL') return 'ALL';
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!isCapabilityName(name)) throw unknown(name);
  if ((maskOf([name]) & bounding) === 0n) {
    throw new EngineError(
      'invalid_argument',
      'capability not supported by your kernel or not available in the current environment: ' +
        JSON.stringify(name),
    );
  }
  return name;
}

function unknown(name: string): EngineError {
  return new EngineError('invalid_argument', `unknown capability: ${JSON.stringify(name)}`);
}
