// Monitors that are forked before they are needed: forking one and connecting to it takes a start
// most of a millisecond of the two cores that its client, too, is busy on. One that nobody takes
// ends with its connection, as any monitor that was never told what to launch.
import { mkdir } from 'node:fs/promises';
import type { SpareKind, Spares } from '#base/spare.ts';
import type { RuntimeDeps, Spare, SpareMonitors } from './task.ts';

/** Of each kind; a process of some hundred KiB. */
const COUNT = 1;

/** Opens the folder of one kind; `makesNetwork` as Agent.monitor() has it. */
export type OpenKind = (name: string, kind: SpareKind<Spare>) => Promise<Spares<Spare>>;

export async function openSpareMonitors(
  deps: Pick<RuntimeDeps, 'agent' | 'connectMonitor'>,
  open: OpenKind,
): Promise<SpareMonitors> {
  const kind = (makesNetwork: boolean): SpareKind<Spare> => ({
    count: COUNT,
    make: async (path) => {
      await mkdir(path, { mode: 0o700 });
      await deps.agent.monitor(path, makesNetwork);
      return deps.connectMonitor(path);
    },
    // One that an earlier daemon had forked and not connected to any more: it ends with the first
    // connection that it gets, when that does.
    end: async (path) => {
      const monitor = await deps.connectMonitor(path).catch(() => undefined);
      await monitor?.[Symbol.asyncDispose]();
    },
    works: (monitor) => monitor.connected,
    drop: async (monitor) => monitor[Symbol.asyncDispose](),
  });
  const plain = await open('plain', kind(false));
  const networked = await open('network', kind(true));
  return {
    take: (directory, makesNetwork) => {
      const monitor = (makesNetwork ? networked : plain).take(directory);
      monitor?.movedTo(directory);
      return monitor;
    },
  };
}
