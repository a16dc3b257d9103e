// explain: what was done to make a container.
import type { ExplainReply } from '#wire/explain.ts';
import type { Context } from '../command.ts';
import { show } from '../explain.ts';

export async function run({ client, flags, args }: Context): Promise<number> {
  const path = `/coracle/containers/${encodeURIComponent(args[0] ?? '')}/explain`;
  show(await client.json<ExplainReply>('GET', path), flags.bool('json'), 'Making');
  return 0;
}
