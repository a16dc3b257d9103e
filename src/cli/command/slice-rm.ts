// slice rm: one after the other, so that an inner slice may be named before the one around it.
import type { Context } from '../command.ts';
import { CliError } from '../command.ts';
import { errorText, slicePath } from '../each.ts';

export async function run({ args, client }: Context): Promise<number> {
  const errors: string[] = [];
  for (const name of args) {
    try {
      await client.done('DELETE', slicePath(name));
      process.stdout.write(`${name}\n`);
    } catch (error) {
      errors.push(errorText(error));
    }
  }
  if (errors.length > 0) throw new CliError(1, errors.join('\n'));
  return 0;
}
