// wait: blocks until each container is not running, and prints its exit code.
import type { Context } from '../command.ts';
import { forEach } from '../each.ts';
import { startWait } from '../session.ts';

export function run({ args, client }: Context): Promise<number> {
  return forEach(args, async (name) => {
    using waiting = await startWait(client, encodeURIComponent(name), 'not-running');
    return String(await waiting.status);
  });
}
