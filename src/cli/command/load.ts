// load: images of a docker-archive or OCI-layout tar.
import type { Readable } from 'node:stream';
import { transferPlatform } from '#client/platform.ts';
import { CliError, type Context } from '../command.ts';
import { openInput } from '../file.ts';
import { showProgress } from '../progress.ts';

export async function run({ flags, client }: Context): Promise<number> {
  const input = flags.string('input');
  if (input === '' && process.stdin.isTTY === true) {
    const advice = "Use 'coracle load -i FILE.tar', or pipe an archive into it.";
    throw new CliError(1, `requested load from stdin, but stdin is empty\n${advice}`);
  }
  const stream: Readable = input === '' ? process.stdin : await openInput(input);
  const quiet = flags.bool('quiet') || process.stdout.isTTY !== true;
  const query = { quiet, platform: transferPlatform(flags.string('platform')) };
  const reply = await client.call('POST', '/images/load', { query, stream });
  await showProgress(reply.body);
  return 0;
}
