// snapshot create: prints the name of the new snapshot; what it cost goes to standard error.
import type { SnapshotCopyReply } from '#wire/snapshot.ts';
import type { Context } from '../command.ts';
import { snapshotsPath } from '../snapshot.ts';
import { tellCopy } from '../volume.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [container = '', name = ''] = args;
  const json = { Name: name };
  tellCopy(await client.json<SnapshotCopyReply>('POST', snapshotsPath(container), { json }));
  return 0;
}
