// context show: the name of the current one.
import type { Context } from '../command.ts';
import { contextName } from '../context/choose.ts';
import { ContextStore } from '../context/store.ts';

export async function run({ configFolder, globals }: Context): Promise<number> {
  const name = contextName(globals, new ContextStore(configFolder), process.env);
  process.stdout.write(`${name}\n`);
  return 0;
}
