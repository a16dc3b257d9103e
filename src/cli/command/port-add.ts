// port add: publishes ports of a container, also of one that runs; prints where they are now.
import type { PortChangeBody, PortChangeReply } from '#wire/network.ts';
import type { Context } from '../command.ts';
import { parsePublish } from '../create/port.ts';
import { containerPath } from '../each.ts';
import { addressOf, portLines } from './port.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const [container = '', ...specs] = args;
  const { bindings: added } = parsePublish(specs);
  const keys = Object.keys(added);
  const json: PortChangeBody = {
    Add: added,
    // An empty list: wherever it is published now.
    ...(flags.bool('move') ? { Remove: Object.fromEntries(keys.map((key) => [key, []])) } : {}),
  };
  const path = `/coracle${containerPath(container)}/ports`;
  const { Ports: ports } = await client.json<PortChangeReply>('POST', path, { json });
  const lines = keys.flatMap((key) =>
    (ports[key] ?? []).map((binding) => `${key} -> ${addressOf(binding)}`),
  );
  process.stdout.write(portLines(lines));
  return 0;
}
