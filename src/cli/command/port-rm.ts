// port rm: withdraws published ports. `8080:80` withdraws that one, `80` every binding of port 80.
import type { PortChangeBody } from '#wire/network.ts';
import type { Context } from '../command.ts';
import { parsePublish } from '../create/port.ts';
import { containerPath } from '../each.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [container = '', ...specs] = args;
  const { bindings } = parsePublish(specs);
  const json: PortChangeBody = { Remove: bindings };
  await client.done('POST', `/coracle${containerPath(container)}/ports`, { json });
  process.stdout.write(specs.map((spec) => `${spec}\n`).join(''));
  return 0;
}
