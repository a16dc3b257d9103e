// What a list of device rules comes to, folded as the files of v1 would fold it: both versions give
// the same answers, and two lists can be compared.
import type { DeviceRule } from './device-rule.ts';

// linux/device_cgroup.h: DEVCG_ACC_*, which are BPF_DEVCG_ACC_* too.
const ACCESS = { m: 1, r: 2, w: 4 } as const;

/** What a list of rules comes to: a default answer, and devices with the other answer. */
export type DeviceList = {
  readonly allow: boolean;
  readonly exceptions: readonly DeviceException[];
};
export type DeviceException = {
  readonly type: 'b' | 'c';
  readonly major: number | undefined;
  readonly minor: number | undefined;
  /** Bits of ACCESS. */
  readonly access: number;
};

/** Folds rules after "deny all", as devcgroup_update_access() of the kernel does. */
export function foldDeviceRules(rules: readonly DeviceRule[]): DeviceList {
  let allow = false;
  let exceptions: DeviceException[] = [];
  for (const rule of rules) {
    if (rule.type === 'a') {
      allow = rule.allow;
      exceptions = [];
      continue;
    }
    const { type, major, minor } = rule;
    const access = accessBits(rule.access);
    const same = (each: DeviceException): boolean =>
      each.type === type && each.major === major && each.minor === minor;
    const before = exceptions.find(same)?.access ?? 0;
    // A rule that agrees with the default takes an exception back, else it makes one.
    const after = rule.allow === allow ? before & ~access : before | access;
    exceptions = exceptions.filter((each) => !same(each));
    if (after !== 0) exceptions.push({ type, major, minor, access: after });
  }
  return { allow, exceptions };
}

/** The rules, each with some rights to one device, that lead from one list to the other. */
export function changedRules(was: DeviceList, is: DeviceList): DeviceRule[] {
  const opened: DeviceRule[] = [];
  const closed: DeviceRule[] = [];
  const keyOf = (each: DeviceException): string => `${each.type} ${each.major} ${each.minor}`;
  const [before, after] = [was, is].map(
    (list) => new Map(list.exceptions.map((each) => [keyOf(each), each])),
  );
  for (const key of new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])) {
    const [had, has] = [before?.get(key), after?.get(key)];
    const device = has ?? had;
    if (device === undefined) continue;
    const [old, now] = [had?.access ?? 0, has?.access ?? 0];
    const rule = (allow: boolean, bits: number): DeviceRule[] =>
      bits === 0 ? [] : [ruleOf(device, allow, bits)];
    // An exception of a list that denies allows, and the other way round.
    (is.allow ? closed : opened).push(...rule(!is.allow, now & ~old));
    (is.allow ? opened : closed).push(...rule(is.allow, old & ~now));
  }
  return [...opened, ...closed];
}

function ruleOf(device: DeviceException, allow: boolean, bits: number): DeviceRule {
  const { type, major, minor } = device;
  const access = (['r', 'w', 'm'] as const).filter((letter) => (bits & ACCESS[letter]) !== 0);
  return {
    allow,
    type,
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
    access: access.join(''),
  };
}

function accessBits(access: string): number {
  return (['m', 'r', 'w'] as const).reduce(
    (bits, letter) => (access.includes(letter) ? bits | ACCESS[letter] : bits),
    0,
  );
}
