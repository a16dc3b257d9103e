// `--format` of the listing commands: nothing or `table` (docker's columns), `table TEMPLATE`,
// `json` (one object a line), or a template for each line.
import { EngineError, messageOf } from '#base/error.ts';
import { alignTabs } from './tabwriter.ts';
import { compileTemplate } from './template.ts';
import { FUNCTIONS, type Functions, toJson } from './template-functions.ts';

/** What can be printed of one object: a text, or a method with arguments. */
export type Row = Readonly<Record<string, unknown>>;

export interface Listing {
  /** Field name to column title. */
  readonly headers: Readonly<Record<string, string>>;
  /** The template of the plain table, cells separated by tabs. */
  readonly table: string;
  /** What -q prints. */
  readonly quiet: string;
  /** Docker's words for a template that is wrong, where `ps` has others than the rest. */
  readonly refusals?: { readonly parse: string; readonly execute: string };
}

const REFUSAL = 'template parsing error: ';

export interface ListOptions {
  readonly format: string;
  readonly quiet: boolean;
}

/** The whole output, newline at the end of each line. */
export function renderList(rows: readonly Row[], listing: Listing, options: ListOptions): string {
  let format = options.format.trim();
  const plainTable = format === '' || format === 'table';
  if (options.quiet && plainTable) format = listing.quiet;
  else if (plainTable) format = `table ${listing.table}`;
  const ordered = rows.map(sorted);
  if (format === 'json') return ordered.map((row) => `${rowJson(row)}\n`).join('');
  const isTable = format === 'table' || format.startsWith('table ') || format.startsWith('table\t');
  const source = unescapeFormat(isTable ? format.slice('table'.length).trim() : format);
  const { parse, execute } = listing.refusals ?? { parse: REFUSAL, execute: REFUSAL };
  const template = prefixed(parse, () => compileTemplate(source, ROWS));
  const lines = prefixed(execute, () => ordered.map((row) => `${template(row)}\n`).join(''));
  if (!isTable) return lines;
  const header = compileTemplate(source, HEADER_FUNCTIONS)(headerRow(listing));
  return alignTabs(`${header}\n${lines}`);
}

/** Go's json.Marshal writes <, > and & as escapes. */
export function rowJson(value: unknown): string {
  return toJson(value).replace(/[<>&]/g, (each) => {
    return `\\u00${each.charCodeAt(0).toString(16)}`;
  });
}

const ROWS: Functions = { ...FUNCTIONS, json: rowJson };

/** Says which phase failed, in docker's words. */
export function prefixed<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = error instanceof EngineError ? error.code : 'internal';
    throw new EngineError(code, prefix + messageOf(error), { cause: error });
  }
}

/** In the title line a function passes its value through: `{{truncate .ID 4}}` is still ID. */
const PASSING = ['json', 'split', 'join', 'title', 'lower', 'upper', 'pad', 'truncate'];
const HEADER_FUNCTIONS: Functions = {
  ...FUNCTIONS,
  ...Object.fromEntries(PASSING.map((name) => [name, (value: unknown) => value])),
};

function headerRow(listing: Listing): Row {
  return { ...listing.headers, Label: (name: unknown) => labelTitle(String(name)) };
}

/** `{{.Label "com.example.my-key"}}` has the title "my key". */
function labelTitle(name: string): string {
  return (name.split('.').at(-1) ?? name).replace(/[-_]/g, ' ');
}

/** Go's json.Marshal writes a map so. */
export function sorted(row: Row): Row {
  return Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A shell gives `\t` as two characters. */
export function unescapeFormat(format: string): string {
  return format.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}
