// volume snapshot: prints the name of the new snapshot, or removes one.
import type { VolumeCopyReply } from '#wire/volume.ts';
import { CliError, type Context } from '../command.ts';
import { copyPath, tellCopy } from '../volume.ts';

export async function run({ flags, args, client, path }: Context): Promise<number> {
  const [name = '', snapshot = ''] = args;
  const snapshots = copyPath(name, 'snapshots');
  if (!flags.bool('rm')) {
    const json = { Name: snapshot };
    tellCopy(await client.json<VolumeCopyReply>('POST', snapshots, { json }));
    return 0;
  }
  if (snapshot === '') throw new CliError(1, `${path} --rm needs the name of the snapshot`);
  await client.done('DELETE', `${snapshots}/${encodeURIComponent(snapshot)}`);
  process.stdout.write(`${snapshot}\n`);
  return 0;
}
