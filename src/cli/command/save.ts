// save: images as one docker-archive tar.
import { pipeline } from 'node:stream/promises';
import { CliError, type Context } from '../command.ts';
import { openOutput } from '../file.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const output = flags.string('output');
  if (output === '' && process.stdout.isTTY === true) {
    const advice = 'use the -o flag or redirect';
    throw new CliError(1, `cowardly refusing to save to a terminal. ${advice}`);
  }
  const query = { names: args, platform: flags.string('platform') };
  const reply = await client.call('GET', '/images/get', { query });
  if (output === '') await pipeline(reply.body, process.stdout, { end: false });
  else await pipeline(reply.body, await openOutput(output));
  return 0;
}
