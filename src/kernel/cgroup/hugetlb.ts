// `hugetlb`: bytes of huge pages by their size (cgroup-v1/hugetlb.rst; cgroup-v2.rst, "HugeTLB").
import type { Resources } from './resources.ts';
import type { CgroupWriteStep } from './step.ts';

const UNITS: Readonly<Record<string, number>> = { KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** "2MB" as bytes; undefined when it is no size as the kernel writes it. */
export function hugePageBytes(size: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,4})([KMG]B)$/.exec(size) ?? [];
  const factor = UNITS[unit];
  return factor === undefined ? undefined : Number(count) * factor;
}

/** As the files are named, from the names of directories in /sys/kernel/mm/hugepages. */
export function hugePageSize(directory: string): string | undefined {
  const kib = Number(/^hugepages-(\d+)kB$/.exec(directory)?.[1]);
  if (!Number.isSafeInteger(kib) || kib < 1) return undefined;
  if (kib % 1024 ** 2 === 0) return `${kib / 1024 ** 2}GB`;
  return kib % 1024 === 0 ? `${kib / 1024}MB` : `${kib}KB`;
}

export function planHugetlb(
  version: 1 | 2,
): (directory: string, resources: Resources) => CgroupWriteStep[] {
  const file = version === 1 ? 'limit_in_bytes' : 'max';
  return (directory, { hugetlb = {} }) =>
    Object.entries(hugetlb).map(([size, bytes]) => ({
      op: 'cgroup_write',
      path: `${directory}/hugetlb.${size}.${file}`,
      // Whole pages, as the kernel rounds.
      value: String(bytes - (bytes % (hugePageBytes(size) ?? 1))),
      check: 'page_rounded',
    }));
}
