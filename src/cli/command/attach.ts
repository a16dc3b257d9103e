// attach: joins a running container; its exit code becomes ours.
import type { ContainerInspect } from '#wire/container.ts';
import { CliError, type Context } from '../command.ts';
import { containerPath } from '../each.ts';
import { attach, checkTerminal, followSize, forwardSignals, join, startWait } from '../session.ts';

export async function run({ args, client, flags }: Context): Promise<number> {
  const path = containerPath(args[0] ?? '');
  const {
    Id: id,
    Config: config,
    State: state,
  } = await client.json<ContainerInspect>('GET', `${path}/json`);
  if (!state.Running) {
    throw new CliError(1, 'You cannot attach to a stopped container, start it first');
  }
  if (state.Paused) {
    throw new CliError(1, 'You cannot attach to a paused container, unpause it first');
  }
  if (state.Restarting) {
    throw new CliError(1, 'You cannot attach to a restarting container, wait until it is running');
  }
  const tty = config.Tty === true;
  const stdin = !flags.bool('no-stdin') && config.OpenStdin === true;
  checkTerminal(tty, !flags.bool('no-stdin'));
  const detachKeys = flags.string('detach-keys');
  const plan = { id, tty, stdin, stdout: true, stderr: true, detachKeys };
  using _signals = flags.bool('sig-proxy', true) && !tty ? forwardSignals(client, id) : undefined;
  using waiting = await startWait(client, id, 'not-running');
  const stream = await attach(client, plan);
  using _size = tty ? followSize(client, `/containers/${id}`, true) : undefined;
  if ((await join(stream, plan)) === 'detached') throw new CliError(1, 'read escape sequence');
  return await waiting.status;
}
