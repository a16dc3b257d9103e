// rmi: removes names, and images that have no name left.
import { EngineError } from '#base/error.ts';
import { platformJson } from '#client/platform.ts';
import type { ImageDeleteItem } from '#wire/image.ts';
import type { Context } from '../command.ts';
import { errorText, imagePath } from '../each.ts';
import { showNext } from '../hint.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const force = flags.bool('force');
  const platforms = flags
    .list('platform')
    .map((text) => platformJson(text))
    .filter((each) => each !== undefined);
  const query = { force, noprune: flags.bool('no-prune'), platforms };
  const failed: unknown[] = [];
  // One after the other: names of one image must not race for who deletes it.
  for (const name of args) {
    try {
      const items = await client.json<ImageDeleteItem[]>('DELETE', imagePath(name), { query });
      for (const item of items) {
        if (item.Deleted !== undefined) process.stdout.write(`Deleted: ${item.Deleted}\n`);
        else process.stdout.write(`Untagged: ${item.Untagged}\n`);
      }
    } catch (error) {
      process.stderr.write(`${errorText(error)}\n`);
      const missing = error instanceof EngineError && error.code === 'not_found';
      if (!(force && missing)) failed.push(error);
    }
  }
  showNext(failed, process.argv.slice(2));
  return failed.length > 0 ? 1 : 0;
}
