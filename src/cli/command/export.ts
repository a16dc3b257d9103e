// export: the root of a container as one tar.
import { pipeline } from 'node:stream/promises';
import { CliError, type Context } from '../command.ts';
import { checkOutput, writeOutput } from '../output-file.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const output = flags.string('output');
  if (output === '' && process.stdout.isTTY === true) {
    throw new CliError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect');
  }
  if (output !== '') checkOutput(output, 'failed to export container');
  const reply = await client.call('GET', `/containers/${encodeURIComponent(args[0] ?? '')}/export`);
  if (output === '') await pipeline(reply.body, process.stdout, { end: false });
  else await writeOutput(output, reply.body);
  return 0;
}
