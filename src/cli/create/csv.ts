// One record of comma-separated values as Go's encoding/csv reads it: a field that begins with a
// quote may hold commas; two quotes inside mean one.
import { invalid } from '../flag-kind.ts';

export function splitCsv(text: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const { field, next } = text[at] === '"' ? quoted(text, at + 1) : plain(text, at);
    fields.push(field);
    if (next >= text.length) return fields;
    if (text[next] !== ',') throw badQuote(next);
    at = next + 1;
  }
}

function plain(text: string, from: number): { field: string; next: number } {
  const comma = text.indexOf(',', from);
  const next = comma < 0 ? text.length : comma;
  const field = text.slice(from, next);
  const quote = field.indexOf('"');
  if (quote >= 0) {
    const column = from + quote + 1;
    throw invalid(`parse error on line 1, column ${column}: bare " in non-quoted-field`);
  }
  return { field, next };
}

function quoted(text: string, from: number): { field: string; next: number } {
  let field = '';
  let at = from;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw badQuote(text.length + 1);
    field += text.slice(at, quote);
    if (text[quote + 1] !== '"') return { field, next: quote + 1 };
    field += '"';
    at = quote + 2;
  }
}

function badQuote(column: number): Error {
  const what = 'extraneous or missing " in quoted-field';
  return invalid(`parse error on line 1, column ${column}: ${what}`);
}
