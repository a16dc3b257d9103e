// The steps that make or change a cgroup. The one that performs them writes, reads the same file
// back, and hands the text to checkReadBack(), because the kernel rounds, clamps and ignores.
import { EngineError } from '#base/error.ts';
import { parseIdList } from './id-list.ts';

/** How the text read back must relate to the value written. */
export type ReadBackRule =
  | 'exact' // the same text, blank space around it apart
  | 'page_rounded' // a byte count, rounded down to whole pages (page_counter_memparse())
  | 'id_list' // the same set of CPUs or nodes; the kernel merges and sorts ranges
  | 'enabled' // "+cpu +memory" was written; the file lists the enabled controllers
  | 'oom_control' // "1" was written; the file says "oom_kill_disable 1" and more
  | 'io_weight' // "500" was written; the file says "default 500" and a line for each device
  | 'cpu_percent' // "50" was written; the file says "50.00"
  | 'keyed' // "KEY VALUE" was written; the file has a line of it, or none where VALUE is no limit
  | 'write_only'; // the file cannot be read (devices.allow); the errno of the write decides

export type MkdirStep = { readonly op: 'mkdir'; readonly path: string };
export type CgroupWriteStep = {
  readonly op: 'cgroup_write';
  readonly path: string;
  readonly value: string;
  readonly check: ReadBackRule;
};
/**
 * Attaches a BPF_PROG_TYPE_CGROUP_DEVICE program to the cgroup2 directory, or puts it in the place
 * of the one that is attached; an empty one takes that away.
 */
export type CgroupDeviceStep = {
  readonly op: 'cgroup_device' | 'cgroup_device_replace';
  readonly path: string;
  readonly insns: Uint8Array;
};
/** Mounts a hierarchy of version 1 in a place of ours; success when it is mounted there already. */
export type CgroupMountStep = {
  readonly op: 'cgroup_mount';
  readonly path: string;
  readonly source: string;
  readonly controllers: string;
};
export type CgroupStep = MkdirStep | CgroupWriteStep | CgroupDeviceStep | CgroupMountStep;

// The largest page size of the architectures we serve: aarch64 kernels can use 64 KiB pages.
const PAGE_SIZE_MAX = 65_536;

/** Throws `kernel_refused` when the kernel keeps another value than the one written. */
export function checkReadBack(step: CgroupWriteStep, text: string): void {
  const got = text.trim();
  if (agrees(step.check, step.value, got)) return;
  throw new EngineError(
    'kernel_refused',
    `wrote "${step.value}" to ${step.path}, but the kernel kept "${got}"`,
    { facts: { file: step.path, wanted: step.value, got } },
  );
}

function agrees(rule: ReadBackRule, wanted: string, got: string): boolean {
  switch (rule) {
    case 'exact':
      return got === wanted.trim();
    case 'page_rounded':
      return pageRounded(wanted, got);
    case 'id_list':
      return sameIds(wanted, got);
    case 'enabled': {
      const enabled = new Set(got.split(/\s+/));
      return wanted.split(/\s+/).every((word) => enabled.has(word.replace(/^\+/, '')));
    }
    case 'oom_control':
      return got.split('\n').includes(`oom_kill_disable ${wanted}`);
    case 'io_weight':
      return got.split('\n').some((line) => line === `default ${wanted}` || line === wanted);
    case 'cpu_percent':
      return got === wanted || Number(got) === Number(wanted);
    case 'keyed':
      return sameLine(wanted, got);
    case 'write_only':
      return true;
    default:
      return rule satisfies never;
  }
}

/**
 * A count above the largest the kernel counts is kept as "max" (v2) or as LONG_MAX in pages (v1).
 */
function pageRounded(wanted: string, got: string): boolean {
  if (wanted === got) return true;
  const limitMax = 1n << 63n;
  // "No limit" is written as -1 to files of version 1; huge pages round LONG_MAX to their size.
  if (wanted === '-1') return /^\d+$/.test(got) && BigInt(got) >= limitMax >> 1n;
  if (!/^\d+$/.test(wanted)) return false;
  const bytes = BigInt(wanted);
  if (got === 'max') return bytes >= limitMax - BigInt(PAGE_SIZE_MAX);
  if (!/^\d+$/.test(got)) return false;
  const kept = BigInt(got);
  return kept <= bytes && bytes - kept < BigInt(PAGE_SIZE_MAX);
}

function sameIds(wanted: string, got: string): boolean {
  const a = parseIdList(wanted);
  const b = parseIdList(got);
  return a !== undefined && b !== undefined && a.size === b.size && a.isSubsetOf(b);
}

const NO_LIMIT = new Set(['0', 'max', 'default']);

/** "254:0 rbps=1 wbps=max" is kept as the same words in any order, and not at all without limit. */
function sameLine(wanted: string, got: string): boolean {
  const [key = '', ...words] = wanted.split(' ');
  const line = lineOf(got, key);
  const amountOf = (word: string): string => word.slice(word.indexOf('=') + 1);
  if (line === undefined) return words.every((word) => NO_LIMIT.has(amountOf(word)));
  return line.length === words.length && words.every((word) => line.includes(word));
}

/** The words behind a key in a file with a line for each device, interface or resource. */
export function lineOf(text: string, key: string): readonly string[] | undefined {
  for (const line of text.split('\n')) {
    const [first, ...words] = line.trim().split(/\s+/);
    if (first === key) return words;
  }
  return undefined;
}
