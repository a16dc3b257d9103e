// image inspect: everything the engine knows about images.
import type { Context } from '../command.ts';
import { imagePath } from '../each.ts';
import { getText, inspectAll } from '../inspect.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const query = { platform: flags.string('platform') };
  return inspectAll(args, flags.string('format'), (name) =>
    getText(client, `${imagePath(name)}/json`, query),
  );
}
