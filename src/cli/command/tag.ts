// tag: one more name for an image.
import { EngineError, messageOf } from '#base/error.ts';
import { familiarName, parseAnyReference, parseReference } from '#base/reference.ts';
import type { Context } from '../command.ts';
import { imagePath } from '../each.ts';
import { nameToGive } from '../reference.ts';

export async function run({ args, client }: Context): Promise<number> {
  const [source = '', target = ''] = args;
  checked(source, parseAnyReference);
  const name = nameToGive(checked(target, parseReference));
  const query = { repo: familiarName(name), tag: name.tag };
  await client.done('POST', `${imagePath(source)}/tag`, { query });
  return 0;
}

function checked<T>(text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    const what = `${JSON.stringify(text)} is not a valid repository/tag`;
    const reason = `Error parsing reference: ${what}: ${messageOf(error)}`;
    throw new EngineError('invalid_argument', reason, { cause: error });
  }
}
