// logs: the stream of one container, framed unless it has a terminal.
import { messageOf } from '#base/error.ts';
import { CliError, type Context } from '../command.ts';
import { timestamp } from '../duration.ts';
import type { Flags } from '../flags.ts';
import { hasTerminal } from '../session.ts';
import { copyOutput } from '../streams.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const container = args[0] ?? '';
  if (flags.bool('clear')) {
    await client.call('DELETE', `/coracle/containers/${encodeURIComponent(container)}/logs`);
    return 0;
  }
  const query = {
    stdout: true,
    stderr: true,
    follow: flags.bool('follow'),
    timestamps: flags.bool('timestamps'),
    details: flags.bool('details'),
    since: when(flags, 'since'),
    until: when(flags, 'until'),
    tail: flags.string('tail', 'all'),
  };
  const reply = await client.call('GET', `/containers/${encodeURIComponent(container)}/logs`, {
    query,
  });
  const type = reply.headers.get('content-type') ?? '';
  // Servers before 1.42 say raw-stream for both; then the container is asked.
  const framed = type.includes('multiplexed-stream');
  const says = framed || Number(client.version.split('.')[1]) >= 42;
  const tty = says ? !framed : await hasTerminal(client, container);
  const { stdout, stderr } = process;
  await copyOutput(reply.body, { tty, stdin: undefined, stdout, stderr });
  return 0;
}

function when(flags: Flags, name: string): string {
  try {
    return timestamp(flags.string(name));
  } catch (error) {
    throw new CliError(1, `invalid value for "${name}": ${messageOf(error)}`, { cause: error });
  }
}
