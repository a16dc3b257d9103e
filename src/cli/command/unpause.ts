// unpause: lets the processes of a paused container go on.
import type { Context } from '../command.ts';
import { forEach } from '../each.ts';

export function run({ args, client }: Context): Promise<number> {
  return forEach(args, async (name, path) => {
    await client.done('POST', `${path}/unpause`);
    return name;
  });
}
