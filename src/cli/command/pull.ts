// pull: an image, or all of a repository, from its registry.
import { formatReference } from '#base/reference.ts';
import type { Context } from '../command.ts';
import { nameToTransfer, pullImage } from '../pull.ts';

export async function run(context: Context): Promise<number> {
  const { args, flags } = context;
  const all = flags.bool('all-tags');
  const quiet = flags.bool('quiet');
  const name = nameToTransfer(args[0] ?? '', { all, quiet });
  await pullImage(context, { name, all, platform: flags.string('platform') }, { quiet });
  process.stdout.write(`${formatReference(name)}\n`);
  return 0;
}
