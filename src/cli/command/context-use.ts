// context use: what later commands speak to.
import type { Context } from '../command.ts';
import { hostVariable } from '../context/choose.ts';
import { ContextStore, DEFAULT_CONTEXT } from '../context/store.ts';

export async function run({ args, configFolder }: Context): Promise<number> {
  const [name = ''] = args;
  const store = new ContextStore(configFolder);
  if (name !== DEFAULT_CONTEXT) store.get(name);
  store.setCurrent(name);
  process.stdout.write(`${name}\n`);
  const variable = hostVariable(process.env);
  if (variable !== undefined && name !== DEFAULT_CONTEXT) {
    const ways = `either set the global --context flag, or unset ${variable} environment variable`;
    process.stderr.write(
      `Warning: ${variable} environment variable overrides the active context. To use ${JSON.stringify(name)}, ${ways}.\n`,
    );
  }
  process.stderr.write(`Current context is now ${JSON.stringify(name)}\n`);
  return 0;
}
