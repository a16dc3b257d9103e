// save: images as one docker-archive tar.
import { pipeline } from 'node:stream/promises';
import { transferPlatform } from '#client/platform.ts';
import { CliError, type Context } from '../command.ts';
import { checkOutput, writeOutput } from '../output-file.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const output = flags.string('output');
  if (output === '' && process.stdout.isTTY === true) {
    throw new CliError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect');
  }
  if (output !== '') checkOutput(output, 'failed to save image');
  const query = { names: args, platform: transferPlatform(flags.string('platform')) };
  const reply = await client.call('GET', '/images/get', { query });
  if (output === '') await pipeline(reply.body, process.stdout, { end: false });
  else await writeOutput(output, reply.body);
  return 0;
}
