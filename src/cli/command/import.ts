// import: a root file system tar becomes an image of one layer; prints its id.
import type { Readable } from 'node:stream';
import { parseReference } from '#base/reference.ts';
import type { Context } from '../command.ts';
import { openInput } from '../file.ts';
import { showProgress } from '../progress.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const [source = '', name = ''] = args;
  const remote = /^https?:\/\//.test(source);
  const stream: Readable | undefined =
    source === '-' ? process.stdin : remote ? undefined : await openInput(source);
  if (name !== '') parseReference(name);
  const query = {
    fromSrc: remote ? source : '-',
    repo: name,
    message: flags.string('message'),
    changes: flags.list('change'),
    platform: flags.string('platform'),
  };
  const reply = await client.call('POST', '/images/create', {
    query,
    ...(stream === undefined ? {} : { stream }),
  });
  await showProgress(reply.body);
  return 0;
}
