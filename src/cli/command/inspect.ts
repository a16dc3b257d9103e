// inspect: a container or an image, whichever has the name; containers come first.
import { EngineError } from '#base/error.ts';
import { CliError, type Context } from '../command.ts';
import { containerPath, imagePath } from '../each.ts';
import { getText, inspectAll } from '../inspect.ts';

const TYPES = ['', 'container', 'image'];

export function run({ flags, args, client }: Context): Promise<number> {
  const type = flags.string('type');
  if (flags.has('type') && type === '') {
    throw new CliError(1, 'type is empty: must be one of "container", "image"');
  }
  if (!TYPES.includes(type)) {
    throw new CliError(1, `unknown type: "${type}": must be one of "container", "image"`);
  }
  const query = { size: flags.bool('size') };
  return inspectAll(args, flags.string('format'), async (name) => {
    const container = (): Promise<string> => getText(client, `${containerPath(name)}/json`, query);
    const image = (): Promise<string> => getText(client, `${imagePath(name)}/json`);
    if (type === 'container') return container();
    if (type === 'image') return image();
    try {
      return await container().catch((error: unknown) => {
        if (!isMissing(error)) throw error;
        return image();
      });
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new CliError(1, `Error: No such object: ${name}`, { cause: error });
    }
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'not_found';
}
