// context update: another description or endpoint under the same name.
import type { Context } from '../command.ts';
import { copyOf, newEndpoint } from '../context/endpoint.ts';
import { checkContextName, ContextStore } from '../context/store.ts';

export async function run({ args, configFolder, flags }: Context): Promise<number> {
  const [name = ''] = args;
  const store = new ContextStore(configFolder);
  checkContextName(name);
  const { description } = store.get(name);
  const { docker, tls } = newEndpoint(flags, store) ?? copyOf(name, store);
  store.put({ name, description: flags.string('description', description), docker }, tls);
  process.stdout.write(`${name}\n`);
  process.stderr.write(`Successfully updated context ${JSON.stringify(name)}\n`);
  return 0;
}
