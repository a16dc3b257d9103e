// volume rm: one after the other, as docker does; the names that are gone are printed.
import { EngineError } from '#base/error.ts';
import { CliError, type Context } from '../command.ts';
import { errorText } from '../each.ts';
import { volumePath } from '../volume.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const query = flags.bool('force') ? { force: true } : {};
  const errors: string[] = [];
  for (const name of args) {
    try {
      await client.done('DELETE', volumePath(name), { query });
      process.stdout.write(`${name}\n`);
    } catch (error) {
      if (!(error instanceof EngineError) || error.facts['unreachable'] === true) throw error;
      errors.push(errorText(error));
    }
  }
  if (errors.length > 0) throw new CliError(1, errors.join('\n'));
  return 0;
}
