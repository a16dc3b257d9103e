// top: the processes of a container, as the host's ps sees them.
import type { ContainerTop } from '#wire/container.ts';
import type { Context } from '../command.ts';
import { containerPath } from '../each.ts';
import { alignTabs } from '../format/tabwriter.ts';

const COLUMN_WIDTH_MIN = 20;

export async function run({ args, client }: Context): Promise<number> {
  const [container = '', ...psArgs] = args;
  const query = { ps_args: psArgs.join(' ') };
  const top = await client.json<ContainerTop>('GET', `${containerPath(container)}/top`, { query });
  const lines = [top.Titles, ...top.Processes].map((cells) => `${cells.join('\t')}\n`);
  process.stdout.write(alignTabs(lines.join(''), COLUMN_WIDTH_MIN));
  return 0;
}
