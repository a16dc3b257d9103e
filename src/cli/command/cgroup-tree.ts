// cgroup tree: hierarchies, the engine's cgroups in them, and processes, with live usage.
import type { CgroupTree } from '#wire/cgroup.ts';
import { treeText } from '../cgroup.ts';
import { CliError, type Context } from '../command.ts';
import { painter } from '../paint.ts';

export async function run({ client, flags }: Context): Promise<number> {
  const tree = await client.json<CgroupTree>('GET', '/coracle/cgroups/tree');
  const { stdout } = process;
  const [controller, json] = [flags.string('controller'), flags.bool('json')];
  const known = tree.Hierarchies.flatMap(({ Controllers: names }) => names);
  if (controller !== '' && !known.includes(controller)) {
    const text = `no hierarchy has the controller ${controller}; there are: ${known.join(', ')}`;
    throw new CliError(1, text);
  }
  if (json) stdout.write(`${JSON.stringify(tree, null, 2)}\n`);
  else stdout.write(treeText(tree, painter(stdout.isTTY === true), controller));
  return 0;
}
