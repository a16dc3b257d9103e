// network connect: gives a container, also a running one, an interface on a network.
import type { Context } from '../command.ts';
import { networkPath } from '../each.ts';
import { planConnect } from '../network/body.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const [network = '', container = ''] = args;
  const json = planConnect(flags, container);
  await client.done('POST', `${networkPath(network)}/connect`, { json });
  return 0;
}
