// diff: what a container has changed, added and deleted.
import type { FilesystemChange } from '#wire/archive.ts';
import type { Context } from '../command.ts';

const LETTERS = ['C', 'A', 'D'] as const;

export async function run({ args, client }: Context): Promise<number> {
  const path = `/containers/${encodeURIComponent(args[0] ?? '')}/changes`;
  const changes = (await client.json<readonly FilesystemChange[] | null>('GET', path)) ?? [];
  process.stdout.write(changes.map(({ Kind, Path }) => `${LETTERS[Kind]} ${Path}\n`).join(''));
  return 0;
}
