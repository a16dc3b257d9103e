// context import: what `context export` of ours or of docker's has written.
import { CliError, type Context } from '../command.ts';
import { unpackContext } from '../context/archive.ts';
import { checkContextName, ContextStore } from '../context/store.ts';
import { openInput } from '../file.ts';

export async function run({ args, configFolder }: Context): Promise<number> {
  const [name = '', path = ''] = args;
  const store = new ContextStore(configFolder);
  checkContextName(name);
  if (store.has(name)) throw new CliError(1, `context ${JSON.stringify(name)} already exists`);
  const source = path === '-' ? process.stdin : await openInput(path);
  const { description, docker, tls } = await unpackContext(source);
  store.put({ name, description, docker }, tls);
  process.stdout.write(`${name}\n`);
  process.stderr.write(`Successfully imported context ${JSON.stringify(name)}\n`);
  return 0;
}
