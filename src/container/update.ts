// update: new limits and a new restart policy, on a running container at once.
import { EngineError } from '#base/error.ts';
import type { NetworkRate } from '#network/engine.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { guard, isRunning } from './guard.ts';
import { taskOf } from './pause.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import type { HostConfig, Resources, RestartPolicy } from './spec.ts';

export type UpdateWish = {
  readonly resources: Partial<Resources>;
  readonly restartPolicy: RestartPolicy | undefined;
  readonly netRate: NetRateChange;
};

type Limit = NetworkRate['in'];

/** Each direction by itself: a limit, null = none any more, undefined = as it is. */
export type NetRateChange = {
  readonly in: Limit | null;
  readonly out: Limit | null;
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
    netRate: changedRate(record.spec.host.netRate, wish.netRate),
  };
  const { resources, warnings } = deps.resources.check(host);
  if (isRunning(record.state)) {
    await taskOf(deps, id).update(resources);
    await limitNetwork(deps, id, wish.netRate, host.netRate);
  }
  const updated = { ...record, spec: { ...record.spec, host } };
  await deps.store.put(updated, { durable: true });
  publish(deps, updated, 'update');
  return warnings;
}

async function limitNetwork(
  deps: Deps,
  id: string,
  change: NetRateChange,
  rate: NetworkRate | undefined,
): Promise<void> {
  if (change.in === undefined && change.out === undefined) return;
  if (deps.networks.sandbox(id) !== undefined) await deps.networks.setRate(id, rate);
}

function changedRate(
  before: NetworkRate | undefined,
  change: NetRateChange,
): NetworkRate | undefined {
  const of = (was: Limit, now: Limit | null): Limit =>
    now === undefined ? was : (now ?? undefined);
  const after = { in: of(before?.in, change.in), out: of(before?.out, change.out) };
  return after.in === undefined && after.out === undefined ? undefined : after;
}

function withoutUndefined(resources: Partial<Resources>): Partial<Resources> {
  return Object.fromEntries(
    Object.entries(resources).filter(([, value]) => value !== undefined),
  ) as Partial<Resources>;
}
