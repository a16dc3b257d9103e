// rm: removes containers. With -f it does not matter whether they exist.
import { EngineError } from '#base/error.ts';
import type { Context } from '../command.ts';
import { errorText, forEach } from '../each.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const force = flags.bool('force');
  const query = { force, v: flags.bool('volumes'), link: flags.bool('link') };
  return forEach(args, async (name) => {
    const bare = name.replace(/^\/+/, '');
    if (bare === '') throw new EngineError('invalid_argument', 'container name cannot be empty');
    try {
      await client.done('DELETE', `/containers/${encodeURIComponent(bare)}`, { query });
    } catch (error) {
      if (!(force && error instanceof EngineError && error.code === 'not_found')) throw error;
      process.stderr.write(`${errorText(error)}\n`);
      return undefined;
    }
    return name;
  });
}
