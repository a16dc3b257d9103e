// The inspect commands: fetch each object, print those that exist, report the others.
import { EngineError } from '#base/error.ts';
import { type EngineClient, type Query, readText } from '#client/client.ts';
import { CliError } from './command.ts';
import { errorText } from './each.ts';
import { inspectText } from './format/inspect.ts';
import { formatOf } from './format/one.ts';

export async function inspectAll(
  names: readonly string[],
  format: string,
  get: (name: string) => Promise<string>,
): Promise<number> {
  formatOf(format);
  const found: string[] = [];
  const errors: string[] = [];
  for (const name of names) {
    try {
      found.push(await get(name));
    } catch (error) {
      if (error instanceof EngineError && error.facts['unreachable'] === true) throw error;
      errors.push(errorText(error));
    }
  }
  if (format === '' || found.length > 0) process.stdout.write(inspectText(found, format));
  else process.stdout.write('\n');
  if (errors.length === 0) return 0;
  throw new CliError(1, errors.join('\n'));
}

/** The JSON text of one object, as the daemon wrote it. */
export async function getText(client: EngineClient, path: string, query?: Query): Promise<string> {
  const reply = await client.call('GET', path, query === undefined ? {} : { query });
  return readText(reply.body);
}
