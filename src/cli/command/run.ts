// run: create, attach, wait, start, resize - in this order, so that not one byte and not the exit
// code can be missed (engine-api.md, "run order").
import type { EngineClient } from '#client/client.ts';
import { CliError, type Context } from '../command.ts';
import { createContainer, startFailure, withHelp } from '../create/create.ts';
import { type CreateBody, planCreate } from '../create/body.ts';
import { attach, checkTerminal, followSize, forwardSignals, join, startWait } from '../session.ts';
import { parseDetachKeys, terminalSize } from '../terminal.ts';

export async function run(context: Context): Promise<number> {
  const { flags, args, path } = context;
  const body = withHelp(path, () => planCreate(flags, args[0] ?? '', args.slice(1)));
  const detach = flags.bool('detach');
  if (flags.bool('dry-run')) {
    const { showPlan } = await import('../explain.ts');
    return showPlan(context, body);
  }
  if (detach) {
    if (flags.list('attach').length > 0) {
      throw new CliError(1, 'conflicting options: cannot specify both --attach and --detach');
    }
    body.AttachStdin = false;
    body.AttachStdout = false;
    body.AttachStderr = false;
    body.StdinOnce = false;
  } else checkTerminal(body.Tty, body.AttachStdin);
  const keys = flags.string('detach-keys');
  if (keys !== '') parseDetachKeys(keys);
  const { height, width } = terminalSize();
  body.HostConfig.ConsoleSize = [height, width];
  return start(context, body, await createContainer(context, body, 'run'));
}

async function start(context: Context, body: CreateBody, id: string): Promise<number> {
  const { client, flags, path } = context;
  const plan = {
    id,
    tty: body.Tty,
    stdin: body.AttachStdin,
    stdout: body.AttachStdout,
    stderr: body.AttachStderr,
    detachKeys: flags.string('detach-keys'),
  };
  const attached = plan.stdin || plan.stdout || plan.stderr;
  const proxy = attached && flags.bool('sig-proxy', true) && !body.Tty;
  using _signals = proxy ? forwardSignals(client, id) : undefined;
  const stream = attached ? await attach(client, plan) : undefined;
  const autoRemove = body.HostConfig.AutoRemove;
  using waiting = attached
    ? await startWait(client, id, autoRemove ? 'removed' : 'next-exit')
    : undefined;
  const joined = stream === undefined ? undefined : join(stream, plan);
  joined?.catch(() => {});
  try {
    await client.done('POST', `/containers/${id}/start`);
  } catch (error) {
    stream?.socket.destroy();
    await joined?.catch(() => {});
    if (autoRemove) await removed(client, id);
    throw startFailure(path, error);
  }
  if (joined === undefined || waiting === undefined) {
    process.stdout.write(`${id}\n`);
    return 0;
  }
  using _size = body.Tty && plan.stdout ? followSize(client, `/containers/${id}`) : undefined;
  const end = await joined;
  if (end === 'detached') return 0;
  if (!plan.stdout && !plan.stderr) {
    process.stdout.write(`${id}\n`);
    return 0;
  }
  return await waiting.status;
}

/** After a failed start with --rm the name must be free again when we return. */
async function removed(client: EngineClient, id: string): Promise<void> {
  try {
    using waiting = await startWait(client, id, 'removed');
    await waiting.status;
  } catch {
    // Gone already: what we wait for.
  }
}
