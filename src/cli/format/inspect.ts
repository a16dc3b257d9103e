// The daemon's JSON with docker's indentation.

/** Indents JSON text without reading its numbers: a 64-bit limit must come out as it came in. */
export function indentJson(text: string, indent = '    '): string {
  let out = '';
  let depth = 0;
  const newline = (): string => `\n${indent.repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '{' || token === '[') {
      depth += 1;
      out += token + newline();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      const empty = /[{[]\s*$/.exec(out);
      out = empty === null ? out + newline() + token : out.slice(0, empty.index + 1) + token;
    } else if (token === ',') out += `,${newline()}`;
    else if (token === ':') out += ': ';
    else out += token;
  }
  return out;
}
