// network explain: what a packet meets on its way in and out of a network.
import type { NetworkExplainReply } from '#wire/network.ts';
import type { Context } from '../command.ts';
import { show } from '../network/explain.ts';

export async function run({ client, flags, args }: Context): Promise<number> {
  const path = `/coracle/networks/${encodeURIComponent(args[0] ?? '')}/explain`;
  show(await client.json<NetworkExplainReply>('GET', path), flags.bool('json'));
  return 0;
}
