// Text for `nft -f`: one text is one transaction (nft(8), "-f"), so a reader of packets sees the
// old state or the new one.
import type { Element, ElementChange } from './element.ts';
import { CHAINS, SETS } from './nft-schema.ts';

/** nft's parser copies a whole element list; a line stays short enough to be named in an error. */
const ELEMENTS_PER_LINE_MAX = 200;

const elementText = ({ key, value }: Element, verb: 'add' | 'delete'): string =>
  value === undefined || verb === 'delete' ? key : `${key} : ${value}`;

/**
 * One line a set and verb; deletions come first, so that a key can change its value.
 */
export function changeText(table: string, changes: readonly ElementChange[]): string {
  const lines: string[] = [];
  for (const verb of ['delete', 'add'] as const) {
    const sets = Map.groupBy(
      changes.filter((change) => change.verb === verb),
      (change) => change.element.set,
    );
    for (const [set, members] of sets) {
      for (let at = 0; at < members.length; at += ELEMENTS_PER_LINE_MAX) {
        const texts = members
          .slice(at, at + ELEMENTS_PER_LINE_MAX)
          .map(({ element }) => elementText(element, verb));
        lines.push(`${verb} element inet ${table} ${set} { ${texts.join(', ')} }`);
      }
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * The whole table in one transaction. `fresh` throws away what is there, chain `user` included: for
 * a table that an older version of ours left in another shape.
 */
export function wholeText(
  table: string,
  elements: readonly Element[],
  options: { readonly fresh?: boolean } = {},
): string {
  const target = `inet ${table}`;
  const lines = [`add table ${target}`];
  if (options.fresh === true) lines.push(`delete table ${target}`, `add table ${target}`);
  for (const { name, kind, body } of SETS) lines.push(`add ${kind} ${target} ${name} { ${body} }`);
  for (const { name, hook } of CHAINS) {
    lines.push(`add chain ${target} ${name}${hook === undefined ? '' : ` { ${hook} }`}`);
  }
  // All chains are emptied before a set is: a rule that uses a set does not mind its flush, but a
  // rule must not be added twice.
  for (const { name, foreign } of CHAINS) {
    if (foreign !== true) lines.push(`flush chain ${target} ${name}`);
  }
  for (const { name, kind } of SETS) lines.push(`flush ${kind} ${target} ${name}`);
  for (const { name, rules } of CHAINS) {
    for (const rule of rules) lines.push(`add rule ${target} ${name} ${rule}`);
  }
  const adds = elements.map((element) => ({ verb: 'add', element }) as const);
  return `${lines.join('\n')}\n${changeText(table, adds)}`;
}

/** `add` first, so that a table that is already gone is not an error (nft before 1.0.7). */
export const removeText = (table: string): string =>
  `add table inet ${table}\ndelete table inet ${table}\n`;
