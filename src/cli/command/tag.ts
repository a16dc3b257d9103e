// tag: one more name for an image.
import type { Context } from '../command.ts';
import { imagePath } from '../each.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [source = '', target = ''] = args;
  const { repository, tag } = splitTag(target);
  await client.done('POST', `${imagePath(source)}/tag`, { query: { repo: repository, tag } });
  return 0;
}

/** "host:5000/a/b:tag": the colon of a port comes before a slash. */
export function splitTag(name: string): { repository: string; tag: string } {
  const colon = name.lastIndexOf(':');
  if (colon <= name.lastIndexOf('/')) return { repository: name, tag: 'latest' };
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}
