// container inspect: everything the engine knows about containers.
import type { Context } from '../command.ts';
import { containerPath } from '../each.ts';
import { getText, inspectAll } from '../inspect.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const query = { size: flags.bool('size') };
  return inspectAll(args, flags.string('format'), (name) =>
    getText(client, `${containerPath(name)}/json`, query),
  );
}
