// Lists of CPUs and memory nodes: "0-3,7" (cpuset(7), "List format").

/** No Linux kernel counts more CPUs than this (CONFIG_NR_CPUS_RANGE_END). */
export const CPU_ID_MAX = 8192;

/** The ids of a list, or undefined when it is malformed or names an id above CPU_ID_MAX. */
export function parseIdList(text: string): ReadonlySet<number> | undefined {
  const ids = new Set<number>();
  const trimmed = text.trim();
  if (trimmed === '') return ids;
  for (const part of trimmed.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last > CPU_ID_MAX) return undefined;
    for (let id = first; id <= last; id += 1) ids.add(id);
  }
  return ids;
}
