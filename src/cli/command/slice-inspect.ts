// slice inspect: everything the engine knows about slices.
import type { Context } from '../command.ts';
import { slicePath } from '../each.ts';
import { getText, inspectAll } from '../inspect.ts';

export function run({ flags, args, client }: Context): Promise<number> {
  const format = flags.bool('json') ? 'json' : flags.string('format');
  return inspectAll(args, format, (name) => getText(client, slicePath(name)));
}
