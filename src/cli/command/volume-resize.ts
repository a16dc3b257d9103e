// volume resize: more room, at once, also for containers that run with it.
import type { Volume } from '#wire/volume.ts';
import type { Context } from '../command.ts';
import { copyPath } from '../volume.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [name = '', size = ''] = args;
  const json = { Size: size };
  const volume = await client.json<Volume>('POST', copyPath(name, 'resize'), { json });
  process.stdout.write(`${volume.Name}\n`);
  return 0;
}
