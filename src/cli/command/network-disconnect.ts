// network disconnect: takes the interface on a network from a container.
import type { NetworkDisconnectBody } from '#wire/network.ts';
import type { Context } from '../command.ts';
import { networkPath } from '../each.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const [network = '', container = ''] = args;
  const json: NetworkDisconnectBody = { Container: container, Force: flags.bool('force') };
  await client.done('POST', `${networkPath(network)}/disconnect`, { json });
  return 0;
}
