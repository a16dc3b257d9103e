// slice create: prints the paths that were made, the missing ones above it too.
import type { SliceCreateReply } from '#wire/slice.ts';
import type { Context } from '../command.ts';
import { planUpdate } from '../create/update.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const json = { ...planUpdate(flags), Path: args[0] ?? '' };
  const reply = await client.json<SliceCreateReply>('POST', '/coracle/slices', { json });
  for (const warning of reply.Warnings) process.stderr.write(`WARNING: ${warning}\n`);
  for (const path of reply.Made) {
    const note = path === reply.Path ? '' : ' (made on the way, without limits)';
    process.stdout.write(`${path}${note}\n`);
  }
  return 0;
}
