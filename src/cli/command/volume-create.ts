// volume create: prints the name, which is a long number when none was given.
import type { Volume } from '#wire/volume.ts';
import { CliError, type Context } from '../command.ts';
import { readLabels } from '../create/kv-file.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const name = flags.string('name');
  if (name !== '' && args.length > 0) {
    const both = 'a volume-name through both --name and as a positional arg';
    throw new CliError(1, `conflicting options: cannot specify ${both}`);
  }
  const size = flags.has('size') ? { size: String(flags.number('size')) } : {};
  const json = {
    Name: args[0] ?? name,
    Driver: flags.has('driver') ? flags.string('driver') : 'local',
    DriverOpts: { ...flags.map('opt'), ...size },
    Labels: readLabels([], flags.list('label')),
  };
  const volume = await client.json<Volume>('POST', '/volumes/create', { json });
  process.stdout.write(`${volume.Name}\n`);
  return 0;
}
