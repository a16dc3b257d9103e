// volume prune: removes volumes that no container has; without -a only those without a name.
import type { Context } from '../command.ts';
import { askToPrune, pruneVolumes, reportSpace } from '../prune.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const all = flags.bool('all');
  const which = all ? 'all' : 'anonymous';
  const warning = `This will remove ${which} local volumes not used by at least one container.`;
  await askToPrune(flags.bool('force'), warning);
  reportSpace(await pruneVolumes(client, flags.filters('filter'), all));
  return 0;
}
