// network inspect: everything the engine knows about networks.
import type { Context } from '../command.ts';
import { networkPath } from '../each.ts';
import { getText, inspectAll } from '../inspect.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const query = { verbose: flags.bool('verbose') };
  return inspectAll(args, flags.string('format'), (name) =>
    getText(client, networkPath(name), query),
  );
}
