// The end of a sandbox: everything that the container had on networks is given back. Each part is
// tried whatever became of the others; what could not be given back keeps the record, so that the
// next open() or the next daemon tries again.
import { ignoreGone, takeDown } from './attach.ts';
import { announce, type Core, socketsOf } from './core.ts';
import type { Sandbox } from './engine.ts';

export async function close(core: Core, containerId: string): Promise<void> {
  using _lock = await core.locks.acquire(containerId);
  const sandbox = core.sandboxes.get(containerId);
  if (sandbox === undefined) return;
  await shut(core, sandbox);
}

/** Under the lock of the container. */
export async function shut(core: Core, sandbox: Sandbox): Promise<void> {
  const sockets = socketsOf(core, sandbox);
  const limits =
    sandbox.rate === undefined
      ? []
      : sockets.map((socket) => ignoreGone(core.rates.remove(sandbox.path, socket)));
  const outcomes = await Promise.allSettled([
    takeDown(core, sandbox, sockets),
    core.ports.close(sandbox.containerId),
    core.names.remove(sandbox.containerId),
    ...limits,
  ]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  core.times.delete(sandbox.containerId);
  const hidden = core.hidden.delete(sandbox.containerId);
  try {
    core.sandboxes.delete(sandbox.containerId);
    // Only now: who started meanwhile and is linked to it has still found it.
    await core.ports.link(sandbox.containerId, []);
  } finally {
    for (const { network, endpoint } of sockets) {
      core.leases.release(network, endpoint);
      core.activity.release(network);
      if (!hidden) announce(core, 'disconnect', network, sandbox.containerId);
    }
  }
}
