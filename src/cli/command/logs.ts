// logs: the stream of one container, framed unless it has a terminal.
import type { Context } from '../command.ts';
import { timestamp } from '../duration.ts';
import { hasTerminal } from '../session.ts';
import { copyOutput } from '../streams.ts';

export async function run({ flags, args, client }: Context): Promise<number> {
  const container = args[0] ?? '';
  const query = {
    stdout: true,
    stderr: true,
    follow: flags.bool('follow'),
    timestamps: flags.bool('timestamps'),
    details: flags.bool('details'),
    since: timestamp(flags.string('since')),
    until: timestamp(flags.string('until')),
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
