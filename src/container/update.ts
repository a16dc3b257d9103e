// update: new limits and a new restart policy, on a running container at once.
import { EngineError } from '#base/error.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard, isRunning } from './guard.ts';
import { taskOf } from './pause.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import type { HostConfig, Resources, RestartPolicy } from './spec.ts';

export type UpdateWish = {
  readonly resources: Partial<Resources>;
  readonly restartPolicy: RestartPolicy | undefined;
};

export async function update(
  deps: Deps,
  ref: string,
  wish: UpdateWish,
): Promise<readonly string[]> {
  const { id } = deps.store.get(ref);
  using _lock = await deps.locks.acquire(id);
  const record = deps.store.get(id);
  guard(record, 'update', ref);
  if (wish.restartPolicy !== undefined) {
    if (record.spec.host.autoRemove && wish.restartPolicy.name !== 'no') {
      throw new EngineError(
        'conflict',
        `Cannot update container ${id}: Restart policy cannot be updated because AutoRemove is ` +
          'enabled for the container',
      );
    }
    checkRestartPolicy(wish.restartPolicy, record.spec.host.autoRemove);
  }
  const host: HostConfig = {
    ...record.spec.host,
    ...withoutUndefined(wish.resources),
    ...(wish.restartPolicy === undefined ? {} : { restartPolicy: wish.restartPolicy }),
  };
  const { resources, warnings } = deps.resources.check(host);
  if (isRunning(record.state)) {
    await taskOf(deps, id).update(resources);
  }
  const updated = { ...record, spec: { ...record.spec, host } };
  await deps.store.put(updated, { durable: true });
  publish(deps, updated, 'update');
  return warnings;
}

function withoutUndefined(resources: Partial<Resources>): Partial<Resources> {
  return Object.fromEntries(
    Object.entries(resources).filter(([, value]) => value !== undefined),
  ) as Partial<Resources>;
}
