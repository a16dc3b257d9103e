// volume rename: the content stays where it is.
import type { Volume } from '#wire/volume.ts';
import type { Context } from '../command.ts';
import { copyPath } from '../volume.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [name = '', to = ''] = args;
  const json = { Name: to };
  const volume = await client.json<Volume>('POST', copyPath(name, 'rename'), { json });
  process.stdout.write(`${volume.Name}\n`);
  return 0;
}
