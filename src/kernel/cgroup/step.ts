// The steps that make a cgroup. The C program performs them one by one: it writes, reads the same
// file back, and hands the text to checkReadBack(), because the kernel rounds, clamps and ignores.
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
  | 'write_only'; // the file cannot be read (devices.allow); the errno of the write decides

export type MkdirStep = { readonly op: 'mkdir'; readonly path: string };
export type CgroupWriteStep = {
  readonly op: 'cgroup_write';
  readonly path: string;
  readonly value: string;
  readonly check: ReadBackRule;
};
/** Attaches a BPF_PROG_TYPE_CGROUP_DEVICE program to the cgroup2 directory. */
export type CgroupDeviceStep = {
  readonly op: 'cgroup_device';
  readonly path: string;
  readonly insns: Uint8Array;
};
export type CgroupStep = MkdirStep | CgroupWriteStep | CgroupDeviceStep;

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
    case 'write_only':
      return true;
    default:
      return rule satisfies never;
  }
}

function pageRounded(wanted: string, got: string): boolean {
  if (wanted === got) return true;
  if (!/^\d+$/.test(wanted)) return false;
  // A count above the largest the kernel counts is kept as "max" (v2) or as LONG_MAX in pages (v1).
  const bytes = BigInt(wanted);
  const limitMax = 1n << 63n;
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
