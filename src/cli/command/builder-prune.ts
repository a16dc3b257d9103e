// builder prune: empties the build cache.
import type { Context } from '../command.ts';
import { askToPrune, pruneBuildCache, reportSpace } from '../prune.ts';

export async function run({ client, flags }: Context): Promise<number> {
  const all = flags.bool('all');
  const what = `This will remove all ${all ? '' : 'dangling '}build cache.`;
  await askToPrune(flags.bool('force'), what);
  const keep = flags.number('keep-storage') || undefined;
  reportSpace(await pruneBuildCache(client, flags.filters('filter'), { all, keep }));
  return 0;
}
