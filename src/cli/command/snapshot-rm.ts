// snapshot rm: prints each name that is gone.
import type { Context } from '../command.ts';
import { snapshotsPath } from '../snapshot.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [container = '', ...names] = args;
  for (const name of names) {
    await client.done('DELETE', snapshotsPath(container, name));
    process.stdout.write(`${name}\n`);
  }
  return 0;
}
