// Rules of the device cgroup: which device nodes may be opened and made (cgroup-v1/devices.rst).
import { EngineError } from '#base/error.ts';

/** "a" is every device, whatever numbers stand beside it. */
export type DeviceType = 'a' | 'b' | 'c';

export type DeviceRule = {
  readonly allow: boolean;
  readonly type: DeviceType;
  /** Absent is any number, "*" in the kernel's files. */
  readonly major?: number;
  readonly minor?: number;
  /** Some of "rwm": read, write, mknod. */
  readonly access: string;
};

const RULE = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/;
/** The kernel keeps 12 bits of major and 20 bits of minor (kdev_t.h). */
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xf_ffff;

/** Parses `--device-cgroup-rule "c 1:3 rwm"`. */
export function parseDeviceRule(text: string): DeviceRule {
  const match = RULE.exec(text);
  if (match === null) {
    throw new EngineError('invalid_argument', `invalid device cgroup rule format: '${text}'`);
  }
  const [, type = 'a', major = '*', minor = '*', access = ''] = match;
  if (Number(major) > MAJOR_MAX || Number(minor) > MINOR_MAX) {
    throw new EngineError('invalid_argument', `invalid device cgroup rule format: '${text}'`);
  }
  return {
    allow: true,
    type: type as DeviceType,
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access: normaliseAccess(access),
  };
}

/** One line as devices.allow and devices.list have it. */
export function formatDeviceRule(rule: DeviceRule): string {
  return `${rule.type} ${rule.major ?? '*'}:${rule.minor ?? '*'} ${normaliseAccess(rule.access)}`;
}

/** devices.list prints the letters in this order and once each. */
function normaliseAccess(access: string): string {
  return ['r', 'w', 'm'].filter((letter) => access.includes(letter)).join('');
}

function device(major: number, minor: number | undefined): DeviceRule {
  const rule = { allow: true, type: 'c', major, access: 'rwm' } as const;
  return minor === undefined ? rule : { ...rule, minor };
}

/**
 * What every container may do (hardening.md B12): make any node, use the harmless ones. `mknod`
 * without open is no risk, and package managers need it.
 */
export const DEFAULT_DEVICES: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  device(1, 3), // null
  device(1, 5), // zero
  device(1, 7), // full
  device(1, 8), // random
  device(1, 9), // urandom
  device(5, 0), // tty
  device(5, 1), // console
  device(5, 2), // ptmx
  device(136, undefined), // pseudo terminals
  device(10, 200), // net/tun; runc allows it, VPN images rely on it
];

/** `--privileged`. */
export const ALL_DEVICES: readonly DeviceRule[] = [{ allow: true, type: 'a', access: 'rwm' }];
