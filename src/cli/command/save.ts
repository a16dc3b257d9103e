// save: images as one docker-archive tar.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { platformJson } from '#client/platform.ts';
import { CliError, type Context } from '../command.ts';
import { reasonOf } from '../create/kv-file.ts';
import { openOutput } from '../file.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const output = flags.string('output');
  if (output === '' && process.stdout.isTTY === true) {
    const advice = 'use the -o flag or redirect';
    throw new CliError(1, `cowardly refusing to save to a terminal. ${advice}`);
  }
  // Checked before the request: an archive can take minutes.
  if (output !== '') checkDirectory(dirname(output));
  const query = { names: args, platform: platformJson(flags.string('platform')) };
  const reply = await client.call('GET', '/images/get', { query });
  if (output === '') await pipeline(reply.body, process.stdout, { end: false });
  else await pipeline(reply.body, await openOutput(output));
  return 0;
}

function checkDirectory(path: string): void {
  try {
    statSync(path);
  } catch (error) {
    const reason = `invalid output path: stat ${path}: ${reasonOf(error)}`;
    throw new CliError(1, `failed to save image: ${reason}`, { cause: error });
  }
}
