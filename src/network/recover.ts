// At the daemon's start: what runs keeps its sandbox, repaired where something is missing; what
// does not is given back; namespaces that nobody knows are unpinned. Interfaces that no record
// names are not looked for: a record is written before its interfaces are made.
import type { Op } from '#kernel/native/op.ts';
import { ignoreGone, planRoutes, plugIn, pullOut } from './attach.ts';
import { shut } from './close.ts';
import { type Core, pluggedOf, type Socketed, socketsOf } from './core.ts';
import type { NetworkRecord, Sandbox } from './engine.ts';
import { allLinks } from './link.ts';
import type { ActiveNetwork } from './parts.ts';

const CONCURRENCY_MAX = 16;

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>) {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY_MAX }, worker));
}

/** Takes leases and holds over from the records; one that cannot be is reported and goes on. */
export function adopt(core: Core): void {
  for (const sandbox of core.sandboxes.list()) {
    for (const { network, endpoint } of socketsOf(core, sandbox)) {
      core.activity.hold(network);
      try {
        core.leases.keep(network, endpoint);
      } catch (error) {
        core.report(`keep the addresses of ${sandbox.containerName} on ${network.name}`, error);
      }
    }
  }
}

/** Networks of these sandboxes, each once. */
function networksOf(core: Core, sandboxes: readonly Sandbox[]): readonly NetworkRecord[] {
  const used = sandboxes.flatMap((one) => socketsOf(core, one).map(({ network }) => network));
  return [...new Set(used)];
}

export async function recover(core: Core, running: ReadonlySet<string>): Promise<void> {
  const ended = core.sandboxes.list().filter(({ containerId }) => !running.has(containerId));
  const kept = core.sandboxes.list().filter(({ containerId }) => running.has(containerId));
  const active: ActiveNetwork[] = [];
  for (const record of networksOf(core, kept)) {
    try {
      await core.drivers[record.driver].activate(record, { again: true });
      active.push(core.activity.active(record));
    } catch (error) {
      core.report(`bring network ${record.name} back`, error);
    }
  }
  const targets = kept.map((sandbox) => pluggedOf(core, sandbox));
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      core.report(what, error);
    }
  };
  await attempt('bring the rules in line', async () => {
    await core.ports.recover(active, targets, allLinks(core, kept));
    core.activity.adopt(active.map(({ record }) => record));
  });
  await attempt('take the names over', () => core.names.recover(targets));
  await inParallel(ended, (sandbox) =>
    attempt(`give back the network of ${sandbox.containerName}`, () => shut(core, sandbox)),
  );
  await inParallel(kept, (sandbox) =>
    attempt(`repair the network of ${sandbox.containerName}`, () => repair(core, sandbox)),
  );
  await inParallel(core.sandboxes.orphans(), (path) =>
    attempt(`unpin ${path}`, async () => {
      const unpin: Op = { op: 'netns_delete', path };
      await core.netlink.perform([unpin]);
    }),
  );
}

/** Endpoints that somebody took away, while the container lives on. */
async function repair(core: Core, sandbox: Sandbox): Promise<void> {
  const sockets = socketsOf(core, sandbox);
  let changed = false;
  for (const socket of sockets) {
    if (await isWhole(core, socket)) continue;
    await mendSocket(core, socket);
    changed = true;
  }
  if (!changed) return;
  await core.netlink.perform(planRoutes(core, sockets));
  if (sandbox.rate !== undefined) {
    for (const socket of sockets) await core.rates.apply(sandbox.path, socket, sandbox.rate);
  }
}

const isWhole = (core: Core, { network, plan }: Socketed): Promise<boolean> =>
  core.drivers[network.driver].verify(network, plan);

async function mendSocket(core: Core, socket: Socketed): Promise<void> {
  const { network, plan } = socket;
  await ignoreGone(core.netlink.perform(core.drivers[network.driver].planReplug(network, plan)));
  if (await isWhole(core, socket)) return;
  await ignoreGone(pullOut(core, socket));
  await plugIn(core, { ...socket, plan: { ...plan, isGateway4: false, isGateway6: false } });
}
