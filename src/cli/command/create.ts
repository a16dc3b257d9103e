// create: the body of `run`, without starting.
import type { Context } from '../command.ts';
import { planCreate } from '../create/body.ts';
import { createContainer, withHelp } from '../create/create.ts';

export async function run(context: Context): Promise<number> {
  const { flags, args, path } = context;
  const body = withHelp(path, () => planCreate(flags, args[0] ?? '', args.slice(1)));
  process.stdout.write(`${await createContainer(context, body, 'create')}\n`);
  return 0;
}
