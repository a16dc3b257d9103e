// v1 `devices`: a new cgroup has its parent's list; we empty it and allow one rule after another.
// A child can never exceed its parent: the kernel answers EPERM.
import { changedRules, foldDeviceRules } from '../device-list.ts';
import { type DeviceRule, formatDeviceRule } from '../device-rule.ts';
import type { CgroupWriteStep } from '../step.ts';

const DENY_ALL: DeviceRule = { allow: false, type: 'a', access: 'rwm' };

export function planDevices(directory: string, rules: readonly DeviceRule[]): CgroupWriteStep[] {
  return [DENY_ALL, ...rules].map((rule) => write(directory, rule));
}

/**
 * From one list to another without a moment in which a device is refused that both allow: rules are
 * added and taken back one by one, first what opens, then what closes. Only another default answer
 * needs the whole list anew.
 */
export function planDeviceChange(
  directory: string,
  before: readonly DeviceRule[],
  after: readonly DeviceRule[],
): { readonly step: CgroupWriteStep; readonly undo: readonly CgroupWriteStep[] }[] {
  const [was, is] = [foldDeviceRules(before), foldDeviceRules(after)];
  if (was.allow !== is.allow) {
    const back = planDevices(directory, before);
    // Undone in reverse, so the whole old list is written last.
    return planDevices(directory, after).map((step, index) => ({
      step,
      undo: index === 0 ? back : [],
    }));
  }
  return changedRules(was, is).map((rule) => ({
    step: write(directory, rule),
    undo: [write(directory, { ...rule, allow: !rule.allow })],
  }));
}

function write(directory: string, rule: DeviceRule): CgroupWriteStep {
  return {
    op: 'cgroup_write',
    path: `${directory}/${rule.allow ? 'devices.allow' : 'devices.deny'}`,
    // "a" takes no numbers: with them the kernel still means every device.
    value: rule.type === 'a' ? 'a' : formatDeviceRule(rule),
    check: 'write_only',
  };
}
