// inspect: a container, an image, a network or a volume, whichever has the name; in that order.
import { EngineError } from '#base/error.ts';
import { CliError, type Context } from '../command.ts';
import { containerPath, imagePath, networkPath } from '../each.ts';
import { getText, inspectAll } from '../inspect.ts';
import { volumePath } from '../volume.ts';

const TYPES = ['container', 'image', 'network', 'volume'];

export function run({ flags, args, client }: Context): Promise<number> {
  const type = flags.string('type');
  const choices = TYPES.map((each) => `"${each}"`).join(', ');
  if (flags.has('type') && type === '') {
    throw new CliError(1, `type is empty: must be one of ${choices}`);
  }
  if (type !== '' && !TYPES.includes(type)) {
    throw new CliError(1, `unknown type: "${type}": must be one of ${choices}`);
  }
  const size = flags.bool('size');
  const query = { size };
  const other = async (kind: string, path: string): Promise<string> => {
    const text = await getText(client, path);
    if (size) process.stderr.write(`WARNING: --size ignored for ${kind}\n`);
    return text;
  };
  return inspectAll(args, flags.string('format'), async (name) => {
    if (type === 'container') return getText(client, `${containerPath(name)}/json`, query);
    if (type === 'image') return other('image', `${imagePath(name)}/json`);
    if (type === 'network') return other('network', networkPath(name));
    if (type === 'volume') return other('volume', volumePath(name));
    const found =
      (await unlessMissing(getText(client, `${containerPath(name)}/json`, query))) ??
      (await unlessMissing(other('image', `${imagePath(name)}/json`))) ??
      (await unlessMissing(other('network', networkPath(name)))) ??
      (await unlessMissing(other('volume', volumePath(name))));
    if (found === undefined) throw new CliError(1, `Error: No such object: ${name}`);
    return found;
  });
}

async function unlessMissing(asked: Promise<string>): Promise<string | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof EngineError && error.code === 'not_found') return undefined;
    throw error;
  }
}
