// __man: writes the manual pages into a folder, for `make install`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../command.ts';
import { manPages } from '../man.ts';
import { GLOBAL_FLAGS, ROOT } from '../table/root.ts';

export async function run({ args }: Context): Promise<number> {
  const [folder = ''] = args;
  mkdirSync(folder, { recursive: true });
  const pages = manPages(ROOT, GLOBAL_FLAGS);
  for (const { file, text } of pages) writeFileSync(join(folder, file), text);
  return 0;
}
