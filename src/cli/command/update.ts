// update: changes limits and the restart policy of containers, also while they run.
import type { ContainerUpdateReply } from '#wire/container.ts';
import { CliError, type Context } from '../command.ts';
import { planUpdate } from '../create/update.ts';
import { containerPath, errorText } from '../each.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  if (flags.isEmpty) {
    throw new CliError(1, 'you must provide one or more flags when using this command');
  }
  const json = planUpdate(flags);
  const warnings: string[] = [];
  const errors: string[] = [];
  for (const name of args) {
    try {
      const path = `${containerPath(name)}/update`;
      const reply = await client.json<ContainerUpdateReply>('POST', path, { json });
      warnings.push(...(reply.Warnings ?? []));
      process.stdout.write(`${name}\n`);
    } catch (error) {
      errors.push(errorText(error));
    }
  }
  for (const warning of warnings) process.stdout.write(`${warning}\n`);
  if (errors.length > 0) throw new CliError(1, errors.join('\n'));
  return 0;
}
