// The inspect commands: fetch each object, print those that exist, report the others.
import { EngineError } from '#base/error.ts';
import { type EngineClient, type Query, readText } from '#client/client.ts';
import { CliError } from './command.ts';
import { errorText } from './each.ts';
import { indentJson } from './format/inspect.ts';
import { prefixed } from './format/list.ts';
import { formatOf } from './format/one.ts';
import { shaped } from './format/shape.ts';
import type { Template } from './format/template.ts';

export async function inspectAll(
  names: readonly string[],
  format: string,
  get: (name: string) => Promise<string>,
): Promise<number> {
  const template = formatOf(format);
  const found: string[] = [];
  const errors: string[] = [];
  for (const name of names) {
    try {
      const text = await get(name);
      found.push(template === undefined ? text : shown(template, text));
    } catch (error) {
      if (error instanceof EngineError && error.facts['unreachable'] === true) throw error;
      errors.push(errorText(error));
    }
  }
  process.stdout.write(output(found, format));
  if (errors.length === 0) return 0;
  throw new CliError(1, errors.join('\n'));
}

/**
 * A template that cannot show one object may show the next: its error is one of those at the end.
 */
function shown(template: Template, text: string): string {
  return prefixed('template parsing error: ', () => `${template(shaped(JSON.parse(text)))}\n`);
}

function output(found: readonly string[], format: string): string {
  if (format === '') return `${indentJson(`[${found.join(',')}]`)}\n`;
  if (found.length === 0) return '\n';
  if (format === 'json') return `[${found.map((text) => text.trim()).join(',')}]\n`;
  return found.join('');
}

/** The JSON text of one object, as the daemon wrote it. */
export async function getText(client: EngineClient, path: string, query?: Query): Promise<string> {
  const reply = await client.call('GET', path, query === undefined ? {} : { query });
  return readText(reply.body);
}
