// slice update: the names that were updated are printed.
import type { SliceUpdateReply } from '#wire/slice.ts';
import { CliError, type Context } from '../command.ts';
import { planUpdate } from '../create/update.ts';
import { errorText, slicePath } from '../each.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  if (flags.isEmpty) {
    throw new CliError(1, 'you must provide one or more flags when using this command');
  }
  const json = planUpdate(flags);
  const errors: string[] = [];
  for (const name of args) {
    try {
      const reply = await client.json<SliceUpdateReply>('PUT', slicePath(name), { json });
      for (const warning of reply.Warnings) process.stderr.write(`WARNING: ${warning}\n`);
      process.stdout.write(`${name}\n`);
    } catch (error) {
      errors.push(errorText(error));
    }
  }
  if (errors.length > 0) throw new CliError(1, errors.join('\n'));
  return 0;
}
