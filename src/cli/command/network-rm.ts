// network rm: one after the other, as docker does; the names that are gone are printed.
import { EngineError } from '#base/error.ts';
import type { Context } from '../command.ts';
import { errorText, networkPath } from '../each.ts';
import { showNext } from '../hint.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const failed: unknown[] = [];
  for (const name of args) {
    try {
      await client.done('DELETE', networkPath(name));
      process.stdout.write(`${name}\n`);
    } catch (error) {
      if (!(error instanceof EngineError) || error.facts['unreachable'] === true) throw error;
      if (flags.bool('force') && error.code === 'not_found') continue;
      process.stderr.write(`${errorText(error)}\n`);
      failed.push(error);
    }
  }
  if (failed.length === 0) return 0;
  process.stderr.write('exit status 1\n');
  showNext(failed, process.argv.slice(2));
  return 1;
}
