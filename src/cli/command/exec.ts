// exec: create the exec, join its streams, and take its exit code as ours.
import { messageOf } from '#base/error.ts';
import type { ExecCreateReply, ExecInspect } from '#wire/exec.ts';
import { CliError, type Context } from '../command.ts';
import { readEnv } from '../create/kv-file.ts';
import { containerPath } from '../each.ts';
import { checkTerminal, followSize, join } from '../session.ts';
import { terminalSize } from '../terminal.ts';

export async function run(context: Context): Promise<number> {
  const { flags, args, client } = context;
  const container = args[0] ?? '';
  const detach = flags.bool('detach');
  const tty = flags.bool('tty');
  const stdin = flags.bool('interactive') && !detach;
  const detachKeys = flags.string('detach-keys');
  const env = readEnv(flags.list('env-file'), flags.list('env'));
  if (!detach) await checkBoth(context, tty, stdin);
  const { height, width } = terminalSize();
  const size = tty && height > 0 ? { ConsoleSize: [height, width] } : {};
  const created = await client.json<ExecCreateReply>('POST', `${containerPath(container)}/exec`, {
    json: {
      User: flags.string('user'),
      Privileged: flags.bool('privileged'),
      Tty: tty,
      ...size,
      AttachStdin: stdin,
      AttachStderr: !detach,
      AttachStdout: !detach,
      DetachKeys: detachKeys,
      Env: env.length === 0 ? null : env,
      WorkingDir: flags.string('workdir'),
      Cmd: args.slice(1),
    },
  });
  const path = `/exec/${created.Id}`;
  if (detach) {
    await client.done('POST', `${path}/start`, { json: { Detach: true, Tty: tty } });
    return 0;
  }
  const json = { Detach: false, Tty: tty, ...size };
  const stream = await client.hijack(`${path}/start`, { json });
  using _size = tty ? followSize(client, path) : undefined;
  const end = await join(stream, { tty, stdin, detachKeys });
  if (end === 'detached') throw new CliError(1, 'read escape sequence');
  try {
    const inspect = await client.json<ExecInspect>('GET', `${path}/json`);
    return inspect.ExitCode ?? 0;
  } catch (error) {
    throw new CliError(1, `cannot read the exit code: ${messageOf(error)}`, { cause: error });
  }
}

/** As with docker, a container that is not there is told before a terminal that is not. */
async function checkBoth({ args, client }: Context, tty: boolean, stdin: boolean): Promise<void> {
  try {
    checkTerminal(tty, stdin);
  } catch (error) {
    await client.json('GET', `${containerPath(args[0] ?? '')}/json`);
    throw error;
  }
}
