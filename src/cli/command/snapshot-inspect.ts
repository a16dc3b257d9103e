// snapshot inspect: one snapshot as JSON.
import type { SnapshotInspect } from '#wire/snapshot.ts';
import type { Context } from '../command.ts';
import { snapshotsPath } from '../snapshot.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [container = '', name = ''] = args;
  const found = await client.json<SnapshotInspect>('GET', snapshotsPath(container, name));
  process.stdout.write(`${JSON.stringify(found, null, 4)}\n`);
  return 0;
}
