// --help in docker's layout, from the command table.
import type { CommandSpec } from './command.ts';
import type { FlagKind } from './flag-kind.ts';
import type { FlagSpec } from './flags.ts';

export const PROGRAM = 'coracle';
export const VERSION = '0.1.0';
/** cobra's least width of a column of commands, without the blank behind it. */
const NAME_WIDTH_MIN = 11;
/** Without a terminal docker wraps at 80. */
const WIDTH_DEFAULT = 80;

export function helpText(spec: CommandSpec, path: string, globals: readonly FlagSpec[]): string {
  const root = path === PROGRAM;
  const parts = [`Usage:  ${usageLine(spec, path)}`, spec.short];
  if (spec.paths !== undefined && spec.paths.length > 1) {
    parts.push(`Aliases:\n  ${spec.paths.map((each) => `${PROGRAM} ${each}`).join(', ')}`);
  }
  const visible = (spec.flags ?? []).filter((flag) => flag.hidden !== true);
  if (visible.length > 0) parts.push(`Options:\n${flagTable(visible)}`);
  const children = (spec.children ?? []).filter(({ group }) => group !== 'hidden');
  if (root) {
    parts.push(`Common Commands:\n${commandTable(children, 'common')}`);
    parts.push(`Management Commands:\n${commandTable(children, 'management')}`);
    parts.push(`Commands:\n${commandTable(children, 'other')}`);
    parts.push(`Global Options:\n${flagTable(globals)}`);
  } else if (children.length > 0) parts.push(`Commands:\n${commandTable(children)}`);
  if (children.length > 0) {
    parts.push(`Run '${path} COMMAND --help' for more information on a command.`);
  }
  return `${parts.join('\n\n')}\n`;
}

/** "coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]" */
export function usageLine(spec: CommandSpec, path: string): string {
  return spec.usage === '' ? path : `${path} ${spec.usage}`;
}

function commandTable(children: readonly CommandSpec[], group?: CommandSpec['group']): string {
  const rows = children.filter((each) => group === undefined || (each.group ?? 'other') === group);
  const sorted = group === 'common' ? rows : rows.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const width = Math.max(NAME_WIDTH_MIN, ...children.map(({ name }) => name.length)) + 1;
  return sorted.map(({ name, short }) => `  ${name.padEnd(width)}${short}`).join('\n');
}

function flagTable(flags: readonly FlagSpec[]): string {
  const rows = flags
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((flag) => ({ left: flagHead(flag), usage: flag.usage }));
  const indent = Math.max(...rows.map(({ left }) => left.length)) + 3;
  const width = Math.max((process.stdout.columns || WIDTH_DEFAULT) - 1 - indent, 24);
  return rows
    .map(({ left, usage }) => {
      const lines = usage.split('\n').flatMap((line) => wrap(line, width));
      return left.padEnd(indent) + lines.join(`\n${' '.repeat(indent)}`);
    })
    .join('\n');
}

function flagHead(flag: FlagSpec): string {
  const short = flag.short === undefined ? '      ' : `  -${flag.short}, `;
  const { word } = flag.kind as FlagKind;
  return `${short}--${flag.name}${word === '' ? '' : ` ${word}`}`;
}

/** pflag wraps earlier than it must, unless the rest of the text then fits. */
const SLOP = 5;

/** Breaks at spaces as pflag's wrapN does. */
function wrap(text: string, width: number): string[] {
  const limit = width - SLOP;
  const lines: string[] = [];
  let rest = text;
  while (rest.length >= limit + SLOP) {
    const cut = rest.lastIndexOf(' ', limit - 1);
    if (cut <= 0) break;
    lines.push(rest.slice(0, cut));
    rest = rest.slice(cut + 1);
  }
  return [...lines, rest];
}
