// From the limits of a running container to others: the writes that differ, in the order that the
// kernel needs, each with what takes it back. Pure: the texts of the files come as an argument.
import {
  type CgroupFacts,
  type CgroupPlan,
  type CgroupRequest,
  factFiles,
  planCgroup,
} from './cgroup.ts';
import { defaultValue, fileOf } from './default.ts';
import { type CgroupHost, directoryOf, hierarchyOf, parentPath } from './host.ts';
import { type CgroupStep, type CgroupWriteStep, lineOf } from './step.ts';
import { planDeviceChange as planDeviceChangeV1 } from './v1/devices.ts';
import { wholeCpuset, wholeCpusetFiles } from './v2/cpuset.ts';
import { planDeviceChange as planDeviceChangeV2 } from './v2/devices.ts';

export type CgroupChange = {
  readonly before: CgroupRequest;
  readonly after: CgroupRequest;
  /** Bytes to take from the container now, which is no limit. */
  readonly reclaim?: number;
};

export type ChangePlan = {
  readonly steps: readonly ChangeStep[];
  /** Directories that the container's processes have to be moved into, once all is written. */
  readonly enter: readonly string[];
  readonly plan: CgroupPlan;
  /** By path, the lists that stand for none; see wholeCpuset(). */
  readonly whole: Readonly<Record<string, string>>;
};

export type ChangeStep = {
  readonly step: CgroupStep;
  /** Known for what cannot be read; settleChange() finds the others in the files. */
  readonly undo?: readonly CgroupStep[];
};

/**
 * The files that planChange() needs: those of factFiles(), and what removed limits fall back to.
 */
export function changeFactFiles(host: CgroupHost, { before, after }: CgroupChange): string[] {
  const files = factFiles(host, after);
  const lists = cpusetPlaces(host, { before, after });
  if (lists !== undefined) files.push(...wholeCpusetFiles(lists.root, lists.leaf));
  const memory = hierarchyOf(host, 'memory');
  const falls = before.resources.memorySwappiness !== after.resources.memorySwappiness;
  if (memory === undefined || !falls) return files;
  return [...files, `${directoryOf(memory, parentPath(memory, after.parent))}/memory.swappiness`];
}

/** Where the lists of a cpuset of version 2 are that change, if any do. */
function cpusetPlaces(
  host: CgroupHost,
  { before, after }: CgroupChange,
): { readonly root: string; readonly leaf: string } | undefined {
  const { unified } = host;
  const changes = (['cpusetCpus', 'cpusetMems'] as const).some(
    (limit) => before.resources[limit] !== after.resources[limit],
  );
  if (!changes || unified === undefined || hierarchyOf(host, 'cpuset') !== undefined) {
    return undefined;
  }
  const root = directoryOf(unified, '/');
  return { root, leaf: directoryOf(unified, `${parentPath(unified, after.parent)}/${after.name}`) };
}

export function planChange(host: CgroupHost, change: CgroupChange, facts: CgroupFacts): ChangePlan {
  const { before, after, reclaim } = change;
  const old = planCgroup(host, withoutDevices(before), facts);
  const plan = planCgroup(host, withoutDevices(after), facts);
  const lists = cpusetPlaces(host, change);
  const whole = lists === undefined ? {} : wholeCpuset(lists.root, lists.leaf, facts);
  const was = new Map(old.create.map((step) => [keyOf(step), step]));
  const is = new Set(plan.create.map(keyOf));
  const steps: ChangeStep[] = plan.create
    .filter((step) => settingOf(was.get(keyOf(step))) !== settingOf(step))
    .map((step) => ({ step }));
  for (const [key, step] of was) {
    const gone = !is.has(key) && step.op === 'cgroup_write' && isLeaf(step.path, plan);
    if (gone) steps.push(...reset(step, facts, whole));
  }
  steps.push(...deviceSteps(host, change, plan));
  if (reclaim !== undefined && plan.unified !== undefined) {
    const path = `${plan.unified}/memory.reclaim`;
    const value = String(reclaim);
    steps.push({ step: { op: 'cgroup_write', path, value, check: 'write_only' } });
  }
  return { steps, enter: plan.join.filter((each) => !old.join.includes(each)), plan, whole };
}

/** The writes in order, and how each is taken back. `texts`: what the files of the steps say. */
export function settleChange(
  { steps, whole }: ChangePlan,
  texts: Readonly<Record<string, string>>,
): readonly ChangeStep[] {
  const opener = openQuota(steps, texts);
  const ranked = steps.map((each) => ({ each, rank: rankOf(each.step, texts) }));
  if (opener !== undefined) {
    // The period next, of whichever direction, and the quota behind it.
    for (const entry of ranked) if (isPeriod(entry.each.step)) entry.rank = OPENER + 1;
    ranked.push({ each: opener, rank: OPENER });
  }
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked.map(({ each }) => {
    const { step } = each;
    const text = texts[step.path];
    if (each.undo !== undefined || step.op !== 'cgroup_write' || text === undefined) return each;
    const opened = opener !== undefined && step.path === opener.step.path;
    const value = opened ? NO_QUOTA : presentValue(step, text.trim(), whole[step.path]);
    if (value === undefined) return each;
    return { step, undo: [{ ...step, value, check: 'write_only' }] };
  });
}

function withoutDevices(request: CgroupRequest): CgroupRequest {
  const { devices: _devices, ...resources } = request.resources;
  return { ...request, resources };
}

/** Files with a line for each device or interface are as many settings. */
function keyOf(step: CgroupStep): string {
  const key = step.op === 'cgroup_write' && step.check === 'keyed' ? step.value.split(' ')[0] : '';
  return `${step.op} ${step.path} ${key}`;
}

function settingOf(step: CgroupStep | undefined): string | undefined {
  if (step === undefined) return undefined;
  return step.op === 'cgroup_write' ? step.value : 'there';
}

/** What is above the leaf belongs to others too. */
function isLeaf(path: string, plan: CgroupPlan): boolean {
  return plan.directories.includes(path.slice(0, path.lastIndexOf('/')));
}

function reset(
  step: CgroupWriteStep,
  facts: CgroupFacts,
  whole: Readonly<Record<string, string>>,
): ChangeStep[] {
  const file = fileOf(step.path);
  const above = step.path.replace(/\/[^/]+(\/[^/]+)$/, '$1');
  const value =
    file === 'memory.swappiness' ? facts[above]?.trim() : (whole[step.path] ?? defaultValue(step));
  return value === undefined ? [] : [{ step: { ...step, value } }];
}

function deviceSteps(
  host: CgroupHost,
  { before, after }: CgroupChange,
  plan: CgroupPlan,
): readonly ChangeStep[] {
  const [was, is] = [before.resources.devices, after.resources.devices];
  if (was === undefined || is === undefined) return [];
  const v1 = hierarchyOf(host, 'devices');
  if (v1 === undefined) {
    return plan.unified === undefined ? [] : planDeviceChangeV2(plan.unified, was, is);
  }
  const leaf = `${directoryOf(v1, parentPath(v1, after.parent))}/${after.name}`;
  return planDeviceChangeV1(leaf, was, is);
}

function presentValue(step: CgroupWriteStep, text: string, whole = '\n'): string | undefined {
  switch (step.check) {
    case 'exact':
    case 'page_rounded':
    case 'cpu_percent':
      // A partition that is invalid says why behind its name.
      return fileOf(step.path) === 'cpuset.cpus.partition' ? text.split(' ', 1)[0] : text;
    case 'id_list':
      return text === '' ? whole : text;
    case 'oom_control':
      return /^oom_kill_disable (\d)$/m.exec(text)?.[1];
    case 'io_weight':
      return /^(?:default )?(\d+)$/m.exec(text)?.[1];
    case 'keyed': {
      const [key = ''] = step.value.split(' ', 1);
      const line = lineOf(text, key);
      return line === undefined ? defaultValue(step) : [key, ...line].join(' ');
    }
    case 'enabled': // other containers may have come to need the controller
    case 'write_only':
      return undefined;
    default:
      return step.check satisfies never;
  }
}

const FIRST = 0;
const MIDDLE = 50;
const LAST = 100;
/** Bounded by another file: where it falls it goes before that one, where it rises behind. */
const BOUNDED = new Set(['cpu.cfs_burst_us', 'cpu.max.burst', 'memory.limit_in_bytes']);
/** While these are on, other files of the controller cannot be written. */
const SWITCHES = new Set(['cpu.idle', 'cpuset.cpus.partition']);
/** Beside a quota or a runtime, which are written in the middle. */
const PERIODS = new Set(['cpu.cfs_period_us', 'cpu.rt_period_us']);
const OFF = new Set(['0', 'member']);

/** Behind a burst that falls, before all else of bandwidth. */
const OPENER = MIDDLE - 5;
const NO_QUOTA = '-1';
const PERIOD = 'cpu.cfs_period_us';

function isPeriod(step: CgroupStep): boolean {
  return step.op === 'cgroup_write' && fileOf(step.path) === PERIOD;
}

/**
 * Quota / period of version 1 is at no time above the parent's, nor below that of a child (EINVAL,
 * tg_cfs_schedulable_down()). When both grow or both shrink, either order passes through a ratio
 * outside of the two: so there is no quota in between, which both the parent and children allow.
 */
function openQuota(
  steps: readonly ChangeStep[],
  texts: Readonly<Record<string, string>>,
): ChangeStep | undefined {
  const writeOf = (file: string): CgroupWriteStep | undefined => {
    for (const { step } of steps) {
      if (step.op === 'cgroup_write' && fileOf(step.path) === file) return step;
    }
    return undefined;
  };
  const [quota, period] = [writeOf('cpu.cfs_quota_us'), writeOf(PERIOD)];
  if (quota === undefined || period === undefined) return undefined;
  const present = texts[quota.path]?.trim() ?? NO_QUOTA;
  if (present === NO_QUOTA || quota.value === NO_QUOTA || quota.value === present) return undefined;
  if (texts[period.path]?.trim() === period.value) return undefined;
  if (rises(quota, texts) !== rises(period, texts)) return undefined;
  return {
    step: { ...quota, value: NO_QUOTA },
    undo: [{ ...quota, value: present, check: 'write_only' }],
  };
}

/**
 * - memory and swap bounds memory, the quota bounds the burst (EINVAL);
 * - the same holds of real-time, where a longer period goes first and a shorter one last;
 * - the shares of an idle cgroup, and the CPUs that a partition was made of, cannot be changed.
 */
function rankOf(step: CgroupStep, texts: Readonly<Record<string, string>>): number {
  if (step.op !== 'cgroup_write') return FIRST;
  const file = fileOf(step.path);
  if (step.check === 'enabled') return FIRST;
  if (file === 'memory.reclaim') return LAST;
  if (SWITCHES.has(file)) return OFF.has(step.value) ? FIRST + 1 : LAST - 1;
  if (BOUNDED.has(file)) return rises(step, texts) ? MIDDLE + 10 : MIDDLE - 10;
  if (PERIODS.has(file)) return rises(step, texts) ? MIDDLE - 1 : MIDDLE + 1;
  return MIDDLE;
}

function rises(step: CgroupWriteStep, texts: Readonly<Record<string, string>>): boolean {
  const present = texts[step.path]?.trim() ?? '';
  if (!/^\d+$/.test(present)) return present === '';
  return !/^\d+$/.test(step.value) || BigInt(step.value) > BigInt(present);
}
