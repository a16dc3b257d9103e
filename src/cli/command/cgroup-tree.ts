// cgroup tree: hierarchies, the engine's cgroups in them, and processes, with live usage.
import type { CgroupTree } from '#wire/cgroup.ts';
import { painter, treeText } from '../cgroup.ts';
import type { Context } from '../command.ts';

export async function run({ client, flags }: Context): Promise<number> {
  const tree = await client.json<CgroupTree>('GET', '/coracle/cgroups/tree');
  const { stdout } = process;
  if (flags.bool('json')) stdout.write(`${JSON.stringify(tree, null, 2)}\n`);
  else stdout.write(treeText(tree, painter(stdout.isTTY === true), flags.string('controller')));
  return 0;
}
