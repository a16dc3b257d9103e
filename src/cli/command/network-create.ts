// network create: prints the id of the new network.
import type { NetworkCreateReply } from '#wire/network.ts';
import type { Context } from '../command.ts';
import { planNetwork } from '../network/body.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const json = planNetwork(flags, args[0] ?? '');
  const reply = await client.json<NetworkCreateReply>('POST', '/networks/create', { json });
  process.stdout.write(`${reply.Id}\n`);
  return 0;
}
