// volume clone: a new volume that begins as another one is now.
import type { VolumeCopyReply } from '#wire/volume.ts';
import type { Context } from '../command.ts';
import { copyPath, tellCopy } from '../volume.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [name = '', to = ''] = args;
  const json = { Name: to };
  tellCopy(await client.json<VolumeCopyReply>('POST', copyPath(name, 'clone'), { json }));
  return 0;
}
