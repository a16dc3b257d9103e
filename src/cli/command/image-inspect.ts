// image inspect: everything the engine knows about images.
import { platformJson } from '#client/platform.ts';
import type { Context } from '../command.ts';
import { imagePath } from '../each.ts';
import { getText, inspectAll } from '../inspect.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const query = { platform: platformJson(flags.string('platform')) };
  return inspectAll(args, flags.string('format'), (name) =>
    getText(client, `${imagePath(name)}/json`, query),
  );
}
