// kill: one signal to the first process of each container.
import type { Context } from '../command.ts';
import { forEach } from '../each.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const query = { signal: flags.string('signal') };
  return forEach(args, async (name, path) => {
    await client.done('POST', `${path}/kill`, { query });
    return name;
  });
}
