// remove: kill with force, then take everything away. The order lets a crash at any point be
// completed at the next start: "removing" is stored first, the record goes last.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isEngineError, messageOf } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { sweepRun } from './exit.ts';
import { guard, isRunning } from './guard.ts';
import { giveUpRestart, killAndWait } from './kill.ts';
import { removeLink } from './link.ts';
import { runDirectoryOf } from './make-box.ts';
import { putFact } from './put-fact.ts';
import type { ContainerRecord } from './record.ts';
import { allows } from './state.ts';

export type RemoveOptions = {
  readonly force: boolean;
  readonly volumes: boolean;
  readonly link: boolean;
};

export async function remove(deps: Deps, ref: string, options: RemoveOptions): Promise<void> {
  if (options.link) return removeLink(deps, ref);
  const { id } = deps.store.get(ref);
  const live = deps.lives.of(id);
  live.held += 1;
  // Else a restart that comes in between runs what was to go (dockerd: RemovalInProgress).
  if (options.force) live.removing += 1;
  if (options.force) live.cutVisits('the container is removed');
  try {
    if (options.force) await endByForce(deps, id);
    using _lock = await deps.locks.acquire(id);
    const record = deps.store.find(id);
    // Somebody else has removed it while we waited: what was asked for is so.
    if (record === undefined) return;
    guard(record, 'remove', ref);
    await removeLocked(deps, record, options);
  } finally {
    live.held -= 1;
    if (options.force) live.removing -= 1;
  }
}

async function endByForce(deps: Deps, id: string): Promise<void> {
  const record = await settled(deps, id);
  if (record === undefined || allows(record.state.status, 'remove')) return;
  if (record.state.status === 'removing') return;
  if (isRunning(record.state)) await killUnlessEnded(deps, id);
  // Its policy was about to start it again.
  using _lock = await deps.locks.acquire(id);
  const after = deps.store.find(id);
  if (after !== undefined) await giveUpRestart(deps, after);
}

/** After what is being done to it: a start in flight is seen as what it comes to. */
async function settled(deps: Deps, id: string): Promise<ContainerRecord | undefined> {
  using _lock = await deps.locks.acquire(id);
  return deps.store.find(id);
}

/** It may end by itself between the look and the kill; that is as good. */
async function killUnlessEnded(deps: Deps, id: string): Promise<void> {
  try {
    await killAndWait(deps, id);
  } catch (error) {
    const now = deps.store.find(id);
    if (!isEngineError(error, 'conflict') || (now !== undefined && isRunning(now.state)))
      throw error;
  }
}

/** The caller holds the lock, and nothing of the container runs. */
export async function removeLocked(
  deps: Deps,
  record: ContainerRecord,
  options: { readonly volumes: boolean },
): Promise<void> {
  const durable = !record.spec.host.autoRemove;
  const removing: ContainerRecord = {
    ...record,
    state: { status: 'removing', before: record.state },
  };
  // An --rm container that has ended is removed at the next start anyway: no need to write it down.
  if (durable) await putFact(deps, removing);
  else deps.store.replace(removing);
  try {
    await takeAway(deps, record, options);
  } catch (error) {
    const dead = { status: 'dead', error: messageOf(error) } as const;
    await putFact(deps, { ...record, state: dead }, { durable });
    const text = `cannot remove container "/${record.name}": ${messageOf(error)}`;
    // Who waits for it to be gone would wait for ever.
    deps.lives.of(record.id).removed.tell({ statusCode: statusCodeOf(record), error: text });
    throw new EngineError('internal', text, { cause: error });
  }
  const live = deps.lives.of(record.id);
  publish(deps, record, 'destroy');
  for (const attachment of live.attachments) attachment.finish();
  live.removed.tell({ statusCode: statusCodeOf(record), error: undefined });
  deps.lives.delete(record.id);
}

function statusCodeOf({ startError, state }: ContainerRecord): number {
  return startError?.exitCode ?? ('exit' in state ? state.exit.exitCode : 0);
}

/** Every step is success when there is nothing to take away. */
async function takeAway(
  deps: Deps,
  record: ContainerRecord,
  options: { readonly volumes: boolean },
): Promise<void> {
  const { id } = record;
  const live = deps.lives.of(id);
  live.cutVisits('the container is removed');
  await live.task?.close();
  live.task = undefined;
  const directory = runDirectoryOf(deps.settings, id);
  if (existsSync(directory)) {
    if (mayRun(directory)) await sweepRun(deps, id);
    else await deps.trash.remove(directory);
  }
  // Nothing, unless it could not be given back when the process ended.
  await deps.networks.close(id);
  await deps.snapshots.remove(id);
  if (options.volumes) await removeVolumes(deps, record);
  await deps.store.remove(id, { durable: !record.spec.host.autoRemove });
}

/** A monitor takes its socket away when it ends. */
function mayRun(directory: string): boolean {
  return existsSync(join(directory, 'monitor.sock'));
}

/** Only anonymous ones, and only when no other container has them. */
async function removeVolumes(deps: Deps, record: ContainerRecord): Promise<void> {
  for (const mount of record.mounts) {
    if (!mount.anonymous || mount.name === undefined) continue;
    const used = deps.store
      .list()
      .some(
        (other) => other.id !== record.id && other.mounts.some((each) => each.name === mount.name),
      );
    if (used) continue;
    try {
      await deps.volumes.remove(mount.name);
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'not_found') throw error;
    }
  }
}
