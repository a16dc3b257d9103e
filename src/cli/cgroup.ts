// Draws the cgroups of this host: hierarchies, the engine's cgroups in each, the processes in them,
// and what they use of what they may; and lists the subsystems with the options that need them.
import { formatBinarySize } from '#base/bytes.ts';
import type { CgroupGauge, CgroupNode, CgroupSubsystem, CgroupTree } from '#wire/cgroup.ts';
import { wrapWords } from './explain.ts';
import { type Paint, printable } from './paint.ts';

const USAGE_COLUMN = 46;
const NAME_WIDTH = 14;
const ID_WIDTH = 12;
const LONG_ID = 64;

/** `controller`: only the hierarchies that have it; "" = all. */
export function treeText(tree: CgroupTree, paint: Paint, controller = ''): string {
  const blocks = tree.Hierarchies.filter(
    ({ Controllers: names }) => controller === '' || names.includes(controller),
  ).map(({ Version: version, Controllers: names, Mountpoint: mountpoint, Cgroup: root }) => {
    const title = names.length === 0 ? '(no controllers)' : names.join(', ');
    const head = `${paint('bold', title)}  ${paint('dim', `cgroup v${version} at ${mountpoint}`)}`;
    if (root === null) return [head, paint('dim', 'not in use')];
    return [head, usageLine(root.Path, root, '', paint), ...below(root, '', paint)];
  });
  return blocks.map((lines) => `${lines.join('\n')}\n`).join('\n');
}

function below(node: CgroupNode, indent: string, paint: Paint): string[] {
  const { Children: children, Processes: processes } = node;
  const last = children.length + processes.length - 1;
  const branch = (index: number): string => (index === last ? '└─ ' : '├─ ');
  const lines = processes.map(({ Pid: pid, Name: name }, index) =>
    paint('dim', `${indent}${branch(index)}${pid} ${printable(name)}`),
  );
  for (const [at, child] of children.entries()) {
    const index = processes.length + at;
    lines.push(usageLine(titleOf(child), child, indent + branch(index), paint));
    lines.push(...below(child, indent + (index === last ? '   ' : '│  '), paint));
  }
  return lines;
}

function titleOf({ Name: name, Container: container }: CgroupNode): string {
  if (container !== null) return `${container.Name} (${container.Id.slice(0, ID_WIDTH)})`;
  return name.length === LONG_ID ? name.slice(0, ID_WIDTH) : name;
}

function usageLine(title: string, node: CgroupNode, indent: string, paint: Paint): string {
  const usage = node.Usage.map(gaugeText).join(', ');
  const gap = ' '.repeat(Math.max(2, USAGE_COLUMN - indent.length - title.length));
  return `${paint('dim', indent)}${paint('cyan', title)}${usage === '' ? '' : gap + usage}`;
}

function gaugeText({ Name: name, Unit: unit, Used: used, Limit: limit }: CgroupGauge): string {
  const of = limit === null ? '' : ` of ${amount(limit, unit)}`;
  if (used === null) return `${name}: at most ${limit === null ? 'all' : amount(limit, unit)}`;
  return `${name}: ${typeof used === 'string' ? used : amount(used, unit)}${of}`;
}

function amount(value: number, unit: CgroupGauge['Unit']): string {
  if (unit === 'bytes') return formatBinarySize(value);
  if (unit === 'seconds') return `${value.toFixed(2)} s`;
  return String(value);
}

export function subsystemsText(
  list: readonly CgroupSubsystem[],
  paint: Paint,
  columns: number,
): string {
  return list.map((each) => `${subsystemLines(each, paint, columns).join('\n')}\n`).join('\n');
}

function subsystemLines(each: CgroupSubsystem, paint: Paint, columns: number): string[] {
  const indent = ' '.repeat(NAME_WIDTH);
  const room = Math.max(40, columns - NAME_WIDTH);
  const wrapped = (text: string): string[] => wrapWords(text, room).map((line) => indent + line);
  const usable = each.Options.filter(({ Missing: missing }) => missing === null);
  // Many options are missing for one reason.
  const missing = Map.groupBy(
    each.Options.filter((option) => option.Missing !== null),
    (option) => String(option.Missing),
  );
  return [
    `${paint('bold', each.Name.padEnd(NAME_WIDTH))}${paint(
      each.Version === null ? 'red' : 'green',
      placeText(each),
    )}`,
    ...(each.What === '' ? [] : wrapped(each.What).map((line) => paint('dim', line))),
    ...usable.map(
      ({ Option: option, Files: files }) => `${indent}${option.padEnd(24)} ${files.join(', ')}`,
    ),
    ...[...missing].flatMap(([why, options]) =>
      wrapped(`not here: ${options.map(({ Option: option }) => option).join(', ')}: ${why}`),
    ),
  ];
}

function placeText({
  Version: version,
  Mountpoint: mountpoint,
  Mounted: mounted,
  Cgroups: cgroups,
}: CgroupSubsystem): string {
  if (version === null) {
    return cgroups === null
      ? 'not in this kernel, or switched off'
      : 'mounted nowhere on this host';
  }
  const place = mounted ? `at ${mountpoint}` : `mounted when it is needed, at ${mountpoint}`;
  return `cgroup v${version} ${place}${cgroups === null ? '' : `, ${cgroups} cgroups`}`;
}
