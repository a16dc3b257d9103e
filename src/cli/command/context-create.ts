// context create: an engine gets a name.
import { CliError, type Context } from '../command.ts';
import { copyOf, newEndpoint } from '../context/endpoint.ts';
import { checkContextName, ContextStore, DEFAULT_CONTEXT } from '../context/store.ts';

export async function run({ args, configFolder, flags }: Context): Promise<number> {
  const [name = ''] = args;
  const store = new ContextStore(configFolder);
  checkContextName(name);
  if (store.has(name)) throw new CliError(1, `context ${JSON.stringify(name)} already exists`);
  const from = flags.string('from') || DEFAULT_CONTEXT;
  const given = newEndpoint(flags, store);
  const source = given === undefined ? copyOf(from, store) : { ...given, description: '' };
  const description = flags.string('description', source.description);
  store.put({ name, description, docker: source.docker }, source.tls);
  process.stdout.write(`${name}\n`);
  process.stderr.write(`Successfully created context ${JSON.stringify(name)}\n`);
  return 0;
}
