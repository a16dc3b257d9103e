// builder prune: empties the build cache.
import type { BuildPruneReply } from '#wire/build.ts';
import type { Context } from '../command.ts';
import { askToPrune, filterText, reportSpace } from '../prune.ts';

export async function run({ client, flags }: Context): Promise<number> {
  const all = flags.bool('all');
  const what = `This will remove all ${all ? '' : 'dangling '}build cache.`;
  await askToPrune(flags.bool('force'), what);
  const reply = await client.json<BuildPruneReply>('POST', '/build/prune', {
    query: {
      all: all ? 1 : undefined,
      'keep-storage': flags.number('keep-storage') || undefined,
      filters: filterText(flags.filters('filter')),
    },
  });
  const deleted = reply.CachesDeleted ?? [];
  if (deleted.length > 0) {
    process.stdout.write(`Deleted build cache objects:\n${deleted.join('\n')}\n\n`);
  }
  reportSpace(reply.SpaceReclaimed);
  return 0;
}
