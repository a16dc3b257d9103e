// Who uses which volume. The records of containers say so, and nothing else: there is no count that
// a crash could leave wrong.
import { join } from 'node:path';
import type { Undo } from '#base/undo.ts';
import { THROWAWAY } from './box-mounts.ts';
import type { Deps } from './deps.ts';
import type { ContainerRecord, MountPoint } from './record.ts';

export function volumesOf({ mounts }: Pick<ContainerRecord, 'mounts'>): readonly string[] {
  const names = mounts.flatMap(({ type, name }) => (type === 'volume' && name ? [name] : []));
  return [...new Set(names)];
}

/** Ids of the containers that have it, running or not. */
export function usersOf(
  records: readonly ContainerRecord[],
  wanted: (record: ContainerRecord) => boolean = () => true,
): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const record of records) {
    if (!wanted(record)) continue;
    for (const name of volumesOf(record)) {
      const ids = users.get(name);
      if (ids === undefined) users.set(name, [record.id]);
      else ids.push(record.id);
    }
  }
  return users;
}

/** Mounts what its volumes name before the process is made; a start that fails lets go. */
export async function holdVolumes(
  deps: Pick<Deps, 'volumes' | 'events'>,
  record: ContainerRecord,
  undo: Undo,
): Promise<void> {
  const names = volumesOf(record);
  if (names.length === 0) return;
  undo.add('release the volumes', () => deps.volumes.release(record.id));
  for (const name of names) await deps.volumes.hold(name, record.id);
  for (const mount of record.mounts) {
    if (mount.type !== 'volume') continue;
    const { destination, rw } = mount;
    tell(deps, record, mount, { destination, propagation: '', 'read/write': String(rw) });
  }
}

function tell(
  deps: Pick<Deps, 'events'>,
  { id: container }: ContainerRecord,
  { name = '' }: MountPoint,
  more?: Readonly<Record<string, string>>,
): void {
  const actor = { id: name, attributes: { container, driver: 'local', ...more } };
  deps.events.publish({ type: 'volume', action: more ? 'mount' : 'unmount', actor });
}

/** What cannot be unmounted now is at the next start of the daemon. */
export async function releaseVolumes(
  deps: Pick<Deps, 'store' | 'volumes' | 'events' | 'trash' | 'report'>,
  record: ContainerRecord,
): Promise<void> {
  try {
    if (volumesOf(record).length > 0) await deps.volumes.release(record.id);
    for (const mount of record.mounts) if (mount.type === 'volume') tell(deps, record, mount);
    if (record.mounts.some(({ throwaway }) => throwaway)) {
      await deps.trash.remove(join(deps.store.directory(record.id), THROWAWAY));
    }
  } catch (error) {
    deps.report(`release the volumes of container ${record.id}`, error);
  }
}

/** A new daemon: what runs has its volumes; what ended meanwhile has none mounted. */
export async function recoverVolumes(
  deps: Pick<Deps, 'store' | 'volumes'>,
  runs: (record: ContainerRecord) => boolean,
): Promise<void> {
  const running = deps.store.list().filter(runs);
  await deps.volumes.recover(new Map(running.map((record) => [record.id, volumesOf(record)])));
}
