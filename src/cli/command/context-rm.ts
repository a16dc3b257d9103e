// context rm: takes names away; the engines do not notice.
import { CliError, type Context } from '../command.ts';
import { contextName } from '../context/choose.ts';
import { ContextStore, DEFAULT_CONTEXT } from '../context/store.ts';

export async function run({ args, configFolder, flags, globals }: Context): Promise<number> {
  const store = new ContextStore(configFolder);
  const current = contextName(globals, store, process.env);
  const errors: string[] = [];
  for (const name of args) {
    const fault = faultOf(name, { store, current, force: flags.bool('force') });
    if (fault !== undefined) {
      errors.push(fault);
      continue;
    }
    store.remove(name);
    if (store.current() === name) store.setCurrent(DEFAULT_CONTEXT);
    process.stdout.write(`${name}\n`);
  }
  if (errors.length > 0) throw new CliError(1, errors.join('\n'));
  return 0;
}

type Wish = { readonly store: ContextStore; readonly current: string; readonly force: boolean };

function faultOf(name: string, { current, force, store }: Wish): string | undefined {
  const quoted = JSON.stringify(name);
  if (name === DEFAULT_CONTEXT) return `context ${quoted} cannot be removed`;
  if (!store.has(name)) return force ? undefined : `context ${quoted} does not exist`;
  if (name === current && !force) {
    return `context ${quoted} is in use, set -f flag to force remove`;
  }
  return undefined;
}
