// commit: an image of a container; prints its id.
import { familiarName, parseReference } from '#base/reference.ts';
import type { CommitReply } from '#wire/archive.ts';
import type { Context } from '../command.ts';
import { nameToGive } from '../reference.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const [container = '', name = ''] = args;
  const named = name === '' ? undefined : nameToGive(parseReference(name));
  const query = {
    container,
    repo: named === undefined ? '' : familiarName(named),
    tag: named?.tag ?? '',
    comment: flags.string('message'),
    author: flags.string('author'),
    changes: flags.list('change'),
    pause: flags.bool('pause', true) ? undefined : 0,
  };
  const { Id } = await client.json<CommitReply>('POST', '/commit', { query });
  process.stdout.write(`${Id}\n`);
  return 0;
}
