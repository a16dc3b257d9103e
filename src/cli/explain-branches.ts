// The branches of a root, as `explain` shows them below the operations that made it.
import { formatSize } from '#base/bytes.ts';
import type { BranchesReply } from '#wire/explain.ts';
import { type Paint, printable } from './paint.ts';

/** Files that were copied up; the reply has more. */
const SHOWN = 8;

export function branchLines(branches: BranchesReply, paint: Paint): string[] {
  const { CopiedUp: copied, Writable: writable, Readonly: layers } = branches;
  const lines = [
    paint('bold', `BRANCHES OF THE ROOT (${branches.Driver})`),
    `  ${paint('cyan', 'rw')}  ${writable.Path}`,
    paint(
      'dim',
      `      all that it writes: ${counted(writable.Files, 'file')}, ${formatSize(writable.Bytes)}`,
    ),
  ];
  for (const layer of layers) {
    const others =
      layer.Others === 0 ? 'no other container' : counted(layer.Others, 'other container');
    lines.push(
      `  ${paint('cyan', 'ro')}  ${layer.Path}`,
      paint(
        'dim',
        `      ${layer.DiffId.slice(0, 19)} ${formatSize(layer.Bytes)}, shared with ${others}`,
      ),
    );
  }
  const total = `${counted(copied.Files, 'file')}, ${formatSize(copied.Bytes)}`;
  lines.push(`  copied up, because it wrote to them: ${copied.Files === 0 ? 'nothing' : total}`);
  for (const { Path, Bytes } of copied.Largest.slice(0, SHOWN)) {
    lines.push(paint('dim', `      ${printable(Path)} ${formatSize(Bytes)}`));
  }
  const more = copied.Files - Math.min(copied.Files, SHOWN);
  if (more > 0) lines.push(paint('dim', `      and ${counted(more, 'smaller one')}`));
  lines.push(`  saved by sharing layers: ${formatSize(branches.SavedBytes)}`);
  return lines;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
