// The screen of `image explore` in a terminal: layers above, the tree of the chosen one below.
// State and drawing are pure; command/image-explore.ts reads the keys.
import type { ExploreReply } from '#wire/explore.ts';
import { painter } from '../paint.ts';
import { headLine, layerLine, type Node, oneLine, rowText, sorted, treeOf } from './tree.ts';

export type Screen = {
  readonly reply: ExploreReply;
  readonly layer: number;
  /** Of the rows that are shown. */
  readonly row: number;
  readonly open: ReadonlySet<Node>;
  readonly tree: Node;
};

export type Key = 'up' | 'down' | 'pageup' | 'pagedown' | 'next' | 'before' | 'toggle' | 'quit';

const KEYS: Readonly<Record<string, Key>> = {
  '\u001b[A': 'up',
  k: 'up',
  '\u001b[B': 'down',
  j: 'down',
  '\u001b[5~': 'pageup',
  '\u001b[6~': 'pagedown',
  ' ': 'toggle',
  '\r': 'toggle',
  '\t': 'next',
  '\u001b[C': 'next',
  l: 'next',
  '\u001b[Z': 'before',
  '\u001b[D': 'before',
  h: 'before',
  q: 'quit',
  '\u0003': 'quit',
  '\u001b': 'quit',
};
const PAGE = 15;
const HELP = 'arrows or hjkl: layer and row   space: open   q: quit';

/** Several come at once when somebody types fast. */
export function keysOf(typed: string): readonly Key[] {
  const words = typed.match(/\u001b\[[0-9;]*[A-Za-z~]|[\s\S]/g) ?? [];
  return words.flatMap((word) => (Object.hasOwn(KEYS, word) ? (KEYS[word] ?? []) : []));
}

export function firstScreen(reply: ExploreReply): Screen {
  return atLayer(reply, 0);
}

function atLayer(reply: ExploreReply, layer: number): Screen {
  const found = reply.Layers[layer];
  const empty = { DiffId: '', CreatedBy: '', Bytes: 0, Wasted: 0, Changes: [] };
  return { reply, layer, row: 0, open: new Set(), tree: treeOf(found ?? empty) };
}

type Row = { readonly node: Node; readonly depth: number };

function rowsOf({ tree, open }: Screen): readonly Row[] {
  const rows: Row[] = [];
  const walk = (node: Node, depth: number): void => {
    for (const child of sorted(node)) {
      rows.push({ node: child, depth });
      if (open.has(child)) walk(child, depth + 1);
    }
  };
  walk(tree, 0);
  return rows;
}

export function press(screen: Screen, key: Exclude<Key, 'quit'>): Screen {
  const rows = rowsOf(screen);
  const to = (row: number): Screen => ({
    ...screen,
    row: Math.max(0, Math.min(rows.length - 1, row)),
  });
  const { layer, reply, row } = screen;
  switch (key) {
    case 'up':
      return to(row - 1);
    case 'down':
      return to(row + 1);
    case 'pageup':
      return to(row - PAGE);
    case 'pagedown':
      return to(row + PAGE);
    case 'next':
      return layer + 1 < reply.Layers.length ? atLayer(reply, layer + 1) : screen;
    case 'before':
      return layer > 0 ? atLayer(reply, layer - 1) : screen;
    case 'toggle':
      return toggled(screen, rows[row]?.node);
    default:
      return key satisfies never;
  }
}

function toggled(screen: Screen, node: Node | undefined): Screen {
  if (node === undefined || node.children.size === 0) return screen;
  const open = new Set(screen.open);
  if (!open.delete(node)) open.add(node);
  return { ...screen, open };
}

/** Exactly as many lines as the terminal has; each may be wider than it. */
export function draw(screen: Screen, height: number, colours: boolean): readonly string[] {
  const paint = painter(colours);
  const { layer, reply, row } = screen;
  const lines = [headLine(reply, paint)];
  const room = Math.max(1, Math.floor(height / 3));
  const first = Math.max(0, Math.min(layer - Math.floor(room / 2), reply.Layers.length - room));
  for (const [index, each] of reply.Layers.entries()) {
    if (index < first || index >= first + room) continue;
    const line = layerLine(each, index);
    lines.push(index === layer ? paint('bold', `> ${line}`) : `  ${line}`);
  }
  lines.push(paint('dim', oneLine(reply.Layers[layer]?.CreatedBy ?? '')));
  const rows = rowsOf(screen);
  const left = Math.max(1, height - lines.length - 1);
  const top = Math.max(0, Math.min(row - Math.floor(left / 2), rows.length - left));
  for (let index = top; index < top + left; index += 1) {
    const at = rows[index];
    if (at === undefined) lines.push('');
    else {
      const fold = at.node.children.size === 0 ? ' ' : screen.open.has(at.node) ? '▾' : '▸';
      lines.push(`${index === row ? '>' : ' '}${rowText(at.node, at.depth, paint, fold)}`);
    }
  }
  return [...lines, paint('dim', HELP)];
}
