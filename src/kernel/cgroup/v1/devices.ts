// v1 `devices`: a new cgroup has its parent's list; we empty it and allow one rule after another.
// A child can never exceed its parent: the kernel answers EPERM.
import { type DeviceRule, formatDeviceRule } from '../device-rule.ts';
import type { CgroupWriteStep } from '../step.ts';

export function planDevices(directory: string, rules: readonly DeviceRule[]): CgroupWriteStep[] {
  const step = (file: string, value: string): CgroupWriteStep => ({
    op: 'cgroup_write',
    path: `${directory}/${file}`,
    value,
    check: 'write_only',
  });
  return [
    step('devices.deny', 'a'),
    ...rules.map((rule) =>
      step(
        rule.allow ? 'devices.allow' : 'devices.deny',
        // "a" takes no numbers: with them the kernel still means every device.
        rule.type === 'a' ? 'a' : formatDeviceRule(rule),
      ),
    ),
  ];
}
