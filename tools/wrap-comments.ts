// Wraps comments at 100 columns: what the formatter leaves to us. Words that do not fit move to the
// next line of the same paragraph; nothing else is touched. Part of `make format`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, sourceFiles } from './source.ts';

const COLUMNS_MAX = 100;

/** Indent and marker of a line that is only comment, and its words. */
const COMMENT = /^(\s*(?:\/\/|\*) )(\S.*)$/;
const ONE_LINE = /^(\s*)\/\*\* (.*) \*\/$/;
/** A line that starts a paragraph of its own: an item, a tag, a table. */
const OWN_PARAGRAPH = /^([-*|@] ?|\d+\. |\s)/;

function width(line: string): number {
  return [...line].length;
}

/** Splits at the last space that lets the head fit; undefined when there is none. */
function split(prefix: string, words: string): readonly [string, string] | undefined {
  const room = COLUMNS_MAX - width(prefix);
  const at = [...words]
    .slice(0, room + 1)
    .join('')
    .lastIndexOf(' ');
  return at <= 0 ? undefined : [words.slice(0, at), words.slice(at + 1)];
}

export function wrapComments(text: string): string {
  const pending = text.split('\n').toReversed();
  const out: string[] = [];
  for (let line = pending.pop(); line !== undefined; line = pending.pop()) {
    if (width(line) <= COLUMNS_MAX) {
      out.push(line);
      continue;
    }
    const single = ONE_LINE.exec(line);
    if (single !== null) {
      const indent = single[1] ?? '';
      pending.push(`${indent} */`, `${indent} * ${single[2]}`);
      out.push(`${indent}/**`);
      continue;
    }
    const [, prefix = '', words = ''] = COMMENT.exec(line) ?? [];
    const parts = prefix === '' ? undefined : split(prefix, words);
    if (parts === undefined) {
      out.push(line);
      continue;
    }
    out.push(prefix + parts[0]);
    const next = pending.at(-1) ?? '';
    const nextWords = next.startsWith(prefix) ? next.slice(prefix.length) : '';
    if (nextWords === '' || OWN_PARAGRAPH.test(nextWords)) pending.push(prefix + parts[1]);
    else {
      pending.pop();
      pending.push(`${prefix}${parts[1]} ${nextWords}`);
    }
  }
  return out.join('\n');
}

if (import.meta.main) {
  for (const file of sourceFiles(['src', 'test', 'tools', 'bench'], /\.ts$/)) {
    const wrapped = wrapComments(file.text);
    if (wrapped !== file.text) writeFileSync(join(ROOT, file.path), wrapped);
  }
}
