// What the inspect commands print: the daemon's JSON with docker's indentation, or a template.
import { compileTemplate } from './template.ts';
import { shaped } from './shape.ts';
import { prefixed, unescapeFormat } from './list.ts';

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

/** The objects as one array, or each through the template. */
export function inspectText(objects: readonly string[], format: string): string {
  if (format === '') return `${indentJson(`[${objects.join(',')}]`)}\n`;
  if (format === 'json') return `[${objects.map((text) => text.trim()).join(',')}]\n`;
  return prefixed('template parsing error: ', () => {
    const template = compileTemplate(unescapeFormat(format));
    return objects.map((text) => `${template(shaped(JSON.parse(text)))}\n`).join('');
  });
}
