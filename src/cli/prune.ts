// The prune commands: a warning, a question, one call, and what it freed.
import { formatSize } from '#base/bytes.ts';
import type { EngineClient } from '#client/client.ts';
import type { BuildPruneReply } from '#wire/build.ts';
import type { ContainerPruneReply } from '#wire/container.ts';
import type { ImagePruneReply } from '#wire/image.ts';
import type { NetworkPruneReply } from '#wire/network.ts';
import type { VolumePruneReply } from '#wire/volume.ts';
import { CliError } from './command.ts';
import type { FilterSet } from './flag-kind.ts';
import { confirm } from './prompt.ts';

/** Ends the command unless the user agrees; that is no failure, and nothing more is said. */
export async function askToPrune(force: boolean, warning: string): Promise<void> {
  if (force) return;
  const question = `WARNING! ${warning}\nAre you sure you want to continue?`;
  if (!(await confirm(question))) throw new CliError(0, '');
}

/** Returns the bytes that were freed. */
export async function pruneContainers(client: EngineClient, filters: FilterSet): Promise<number> {
  const query = { filters: filterText(filters) };
  const reply = await client.json<ContainerPruneReply>('POST', '/containers/prune', { query });
  const deleted = reply.ContainersDeleted ?? [];
  if (deleted.length > 0) {
    process.stdout.write(`Deleted Containers:\n${deleted.join('\n')}\n\n`);
  }
  return reply.SpaceReclaimed;
}

export async function pruneNetworks(client: EngineClient, filters: FilterSet): Promise<void> {
  const query = { filters: filterText(filters) };
  const reply = await client.json<NetworkPruneReply>('POST', '/networks/prune', { query });
  const deleted = reply.NetworksDeleted ?? [];
  if (deleted.length > 0) process.stdout.write(`Deleted Networks:\n${deleted.join('\n')}\n\n`);
}

/** Returns the bytes that were freed. */
export async function pruneVolumes(
  client: EngineClient,
  filters: FilterSet,
  all: boolean,
): Promise<number> {
  const wanted: FilterSet = all ? { ...filters, all: { true: true } } : filters;
  const query = { filters: filterText(wanted) };
  const reply = await client.json<VolumePruneReply>('POST', '/volumes/prune', { query });
  const deleted = reply.VolumesDeleted ?? [];
  if (deleted.length > 0) process.stdout.write(`Deleted Volumes:\n${deleted.join('\n')}\n\n`);
  return reply.SpaceReclaimed;
}

export async function pruneImages(
  client: EngineClient,
  filters: FilterSet,
  all: boolean,
): Promise<number> {
  // Beside what the user says of it: the engine refuses what it cannot understand.
  const dangling = { [all ? 'false' : 'true']: true, ...filters['dangling'] } as const;
  const wanted: FilterSet = { ...filters, dangling };
  const query = { filters: filterText(wanted) };
  const reply = await client.json<ImagePruneReply>('POST', '/images/prune', { query });
  const lines = (reply.ImagesDeleted ?? []).map((item) =>
    item.Untagged === undefined ? `deleted: ${item.Deleted}` : `untagged: ${item.Untagged}`,
  );
  if (lines.length > 0) process.stdout.write(`Deleted Images:\n${lines.join('\n')}\n\n`);
  return reply.SpaceReclaimed;
}

/** Returns the bytes that were freed. */
export async function pruneBuildCache(
  client: EngineClient,
  filters: FilterSet,
  { all, keep }: { readonly all: boolean; readonly keep?: number | undefined },
): Promise<number> {
  const query = { all: all ? 1 : undefined, 'keep-storage': keep, filters: filterText(filters) };
  const reply = await client.json<BuildPruneReply>('POST', '/build/prune', { query });
  const deleted = reply.CachesDeleted ?? [];
  if (deleted.length > 0) {
    process.stdout.write(`Deleted build cache objects:\n${deleted.join('\n')}\n\n`);
  }
  return reply.SpaceReclaimed;
}

export function reportSpace(bytes: number): void {
  process.stdout.write(`Total reclaimed space: ${formatSize(bytes, 4)}\n`);
}

export function filterText(filters: FilterSet): string | undefined {
  return Object.keys(filters).length === 0 ? undefined : JSON.stringify(filters);
}
