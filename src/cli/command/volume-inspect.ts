// volume inspect: everything the engine knows about volumes.
import type { Context } from '../command.ts';
import { getText, inspectAll } from '../inspect.ts';
import { volumePath } from '../volume.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  return inspectAll(args, flags.string('format'), (name) => getText(client, volumePath(name)));
}
