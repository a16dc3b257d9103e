// start: starts containers; with -a or -i one of them, joined to our terminal.
import type { ContainerInspect } from '#wire/container.ts';
import { CliError, type Context } from '../command.ts';
import { containerPath, errorText } from '../each.ts';
import { attach, followSize, forwardSignals, join, startWait } from '../session.ts';

export function run(context: Context): Promise<number> {
  const { flags } = context;
  return flags.bool('attach') || flags.bool('interactive') ? startOne(context) : startAll(context);
}

async function startAll({ args, client }: Context): Promise<number> {
  const failed: string[] = [];
  let cause: unknown;
  for (const name of args) {
    try {
      await client.done('POST', `${containerPath(name)}/start`);
      process.stdout.write(`${name}\n`);
    } catch (error) {
      process.stderr.write(`${errorText(error)}\n`);
      failed.push(name);
      cause ??= error;
    }
  }
  if (failed.length === 0) return 0;
  throw new CliError(1, `Error: failed to start containers: ${failed.join(', ')}`, { cause });
}

async function startOne({ args, client, flags }: Context): Promise<number> {
  if (args.length > 1) {
    throw new CliError(1, 'you cannot start and attach multiple containers at once');
  }
  const path = containerPath(args[0] ?? '');
  const {
    Id: id,
    Config: config,
    HostConfig: host,
  } = await client.json<ContainerInspect>('GET', `${path}/json`);
  const tty = config.Tty === true;
  const plan = {
    id,
    tty,
    stdin: flags.bool('interactive') && config.OpenStdin === true,
    stdout: true,
    stderr: true,
    detachKeys: flags.string('detach-keys'),
  };
  using _signals = tty ? undefined : forwardSignals(client, id);
  const stream = await attach(client, plan);
  const condition = host.AutoRemove === true ? 'removed' : 'next-exit';
  using waiting = await startWait(client, id, condition);
  const joined = join(stream, plan);
  joined.catch(() => {});
  try {
    await client.done('POST', `/containers/${id}/start`);
  } catch (error) {
    stream.socket.destroy();
    await joined.catch(() => {});
    throw error;
  }
  using _size = tty ? followSize(client, `/containers/${id}`) : undefined;
  return (await joined) === 'detached' ? 0 : await waiting.status;
}
