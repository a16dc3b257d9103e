// The changes of one layer as a tree, with sums for directories. Pure.
import { formatSize } from '#base/bytes.ts';
import type { ExploreChange, ExploreLayer, ExploreReply } from '#wire/explore.ts';
import { type Paint, painter, printable } from '../paint.ts';

export type Node = {
  readonly name: string;
  /** Absent for a directory that only lies on the way. */
  kind: ExploreChange['Kind'] | undefined;
  directory: boolean;
  /** With all that is in it. */
  bytes: number;
  wasted: number;
  files: number;
  readonly children: Map<string, Node>;
};

export function treeOf(layer: ExploreLayer): Node {
  const root = newNode('');
  for (const change of layer.Changes) add(root, change);
  return root;
}

function newNode(name: string): Node {
  const sums = { bytes: 0, wasted: 0, files: 0 };
  return { name, kind: undefined, directory: true, ...sums, children: new Map() };
}

function add(root: Node, change: ExploreChange): void {
  let at = root;
  const files = change.Directory ? 0 : 1;
  const count = (node: Node): void => {
    node.bytes += change.Bytes;
    node.wasted += change.Wasted;
    node.files += files;
  };
  count(at);
  for (const part of change.Path.split('/')) {
    let next = at.children.get(part);
    if (next === undefined) {
      next = newNode(part);
      at.children.set(part, next);
    }
    at = next;
    count(at);
  }
  at.kind = change.Kind;
  at.directory = change.Directory;
}

const SIZE_WIDTH = 9;
const MARKS = { A: ['+', 'green'], C: ['~', 'cyan'], D: ['-', 'red'] } as const;

/** One row: mark, size, what it wastes, name at its depth. */
export function rowText(node: Node, depth: number, paint: Paint, fold = ' '): string {
  const [mark, style] = node.kind === undefined ? ([' ', 'dim'] as const) : MARKS[node.kind];
  const size = formatSize(node.bytes).padStart(SIZE_WIDTH);
  const wasted = node.wasted === 0 ? '' : ` wastes ${formatSize(node.wasted)}`;
  const many = node.directory && node.files > 0 ? paint('dim', ` ${node.files} files`) : '';
  const name = paint(style, `${mark} ${printable(node.name)}${node.directory ? '/' : ''}`);
  const indent = '  '.repeat(depth);
  return `${size} ${indent}${fold}${name}${many}${wasted === '' ? '' : paint('red', wasted)}`;
}

export function sorted(node: Node): readonly Node[] {
  return [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function headLine(reply: ExploreReply, paint: Paint): string {
  const { Bytes, Layers, Name, Wasted, WastedPercent } = reply;
  const layers = `${Layers.length} layer${Layers.length === 1 ? '' : 's'}`;
  const wasted = `${formatSize(Wasted)} wasted (${WastedPercent.toFixed(1)} %)`;
  return `${paint('bold', Name)}: ${formatSize(Bytes)} in ${layers}, ${wasted}`;
}

export function layerLine(layer: ExploreLayer, index: number): string {
  const count = (kind: ExploreChange['Kind']): number =>
    layer.Changes.filter((change) => change.Kind === kind && !change.Directory).length;
  const counts = `+${count('A')} ~${count('C')} -${count('D')} files`;
  const wasted = layer.Wasted === 0 ? '' : `, wastes ${formatSize(layer.Wasted)}`;
  const id = layer.DiffId.slice(0, 19);
  return `${index + 1}  ${id}  ${formatSize(layer.Bytes)}  ${counts}${wasted}`;
}

/** Everything, for a file or a pipe; directories deeper than `depth` (0 = none) are sums. */
export function plainText(reply: ExploreReply, depth: number, colours: boolean): string {
  const paint = painter(colours);
  const lines = [headLine(reply, paint)];
  for (const [index, layer] of reply.Layers.entries()) {
    lines.push('', paint('bold', layerLine(layer, index)));
    if (layer.CreatedBy !== '') lines.push(paint('dim', `   ${oneLine(layer.CreatedBy)}`));
    const walk = (node: Node, level: number): void => {
      for (const child of sorted(node)) {
        lines.push(rowText(child, level, paint));
        if (depth === 0 || level + 1 < depth) walk(child, level + 1);
      }
    };
    walk(treeOf(layer), 0);
  }
  return `${lines.join('\n')}\n`;
}

export function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, ' ')).trim();
}
