// rollback: prints the snapshot whose content the container has now.
import type { SnapshotCopyReply } from '#wire/snapshot.ts';
import type { Context } from '../command.ts';
import { tellCopy } from '../volume.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [container = '', name = ''] = args;
  const path = `/coracle/containers/${encodeURIComponent(container)}/rollback`;
  const json = { Snapshot: name };
  tellCopy(await client.json<SnapshotCopyReply>('POST', path, { json }));
  return 0;
}
