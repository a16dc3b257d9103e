// restart: stop, then start.
import type { Context } from '../command.ts';
import { forEach } from '../each.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const query = {
    signal: flags.string('signal'),
    t: flags.has('timeout') ? flags.number('timeout') : undefined,
  };
  return forEach(args, async (name, path) => {
    await client.done('POST', `${path}/restart`, { query });
    return name;
  });
}
