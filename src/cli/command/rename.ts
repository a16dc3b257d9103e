// rename: a new name for a container.
import { CliError, type Context } from '../command.ts';
import { containerPath, errorText } from '../each.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [from = '', to = ''] = args.map((name) => name.trim());
  if (from === '' || to === '') {
    throw new CliError(1, 'Error: Neither old nor new names may be empty');
  }
  try {
    await client.done('POST', `${containerPath(from)}/rename`, { query: { name: to } });
  } catch (error) {
    const text = `${errorText(error)}\nError: failed to rename container named ${from}`;
    throw new CliError(1, text, { cause: error });
  }
  return 0;
}
