// pause: the freezer holds all processes of the container.
import type { Context } from '../command.ts';
import { forEach } from '../each.ts';

export function run({ args, client }: Context): Promise<number> {
  return forEach(args, async (name, path) => {
    await client.done('POST', `${path}/pause`);
    return name;
  });
}
