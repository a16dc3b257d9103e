// commit: an image of a container; prints its id.
import type { CommitReply } from '#wire/archive.ts';
import type { Context } from '../command.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const [container = '', name = ''] = args;
  const [repo, tag] = splitName(name);
  const query = {
    container,
    repo,
    tag,
    comment: flags.string('message'),
    author: flags.string('author'),
    changes: flags.list('change'),
    pause: flags.bool('pause', true) ? undefined : 0,
  };
  const { Id } = await client.json<CommitReply>('POST', '/commit', { query });
  process.stdout.write(`${Id}\n`);
  return 0;
}

/** A colon after the last slash begins a tag; before it, a port. */
function splitName(name: string): readonly [repo: string, tag: string] {
  const colon = name.lastIndexOf(':');
  if (colon <= name.lastIndexOf('/')) return [name, ''];
  return [name.slice(0, colon), name.slice(colon + 1)];
}
