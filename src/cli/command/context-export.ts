// context export: a context with its certificates in one file, which docker imports, too.
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { CliError, type Context } from '../command.ts';
import { packContext } from '../context/archive.ts';
import { copyOf } from '../context/endpoint.ts';
import { ContextStore, metaText } from '../context/store.ts';
import { reasonOf } from '../create/kv-file.ts';

/** The key in it is the client's own. */
const FILE_MODE = 0o600;

export async function run({ args, configFolder }: Context): Promise<number> {
  const [name = '', given = ''] = args;
  const { description, docker, tls } = copyOf(name, new ContextStore(configFolder));
  const archive = packContext(metaText({ name, description, docker }), tls);
  if (given === '-') {
    if (process.stdout.isTTY === true) {
      throw new CliError(1, 'cowardly refusing to export to a terminal, specify a file path');
    }
    await pipeline(archive, process.stdout, { end: false });
    return 0;
  }
  const path = given || `${name}.dockercontext`;
  const file = createWriteStream(path, { flags: 'wx', mode: FILE_MODE });
  try {
    await once(file, 'open');
  } catch (error) {
    throw new CliError(1, `open ${path}: ${reasonOf(error)}`, { cause: error });
  }
  await pipeline(archive, file);
  process.stderr.write(`Written file ${JSON.stringify(path)}\n`);
  return 0;
}
