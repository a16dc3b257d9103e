// volume rollback: prints the snapshot whose content the volume has now.
import type { VolumeCopyReply } from '#wire/volume.ts';
import type { Context } from '../command.ts';
import { copyPath, tellCopy } from '../volume.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [name = '', snapshot = ''] = args;
  const json = { Snapshot: snapshot };
  tellCopy(await client.json<VolumeCopyReply>('POST', copyPath(name, 'rollback'), { json }));
  return 0;
}
