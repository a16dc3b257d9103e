// update: new limits and a new restart policy, on a running container at once, all or nothing: what
// the record says is what the kernel holds.
import { EngineError } from '#base/error.ts';
import { Undo } from '#base/undo.ts';
import type { NetworkRate } from '#network/engine.ts';
import type { BoxLimits } from '#runtime/box.ts';
import { changeLimits, type LimitsChange, refuseMemoryAlone } from './change-limits.ts';
import { checkNetPrio } from './check.ts';
import type { Deps } from './deps.ts';
import { checkDevices } from './device.ts';
import { publish } from './event.ts';
import { guard, isRunning } from './guard.ts';
import { onTask, taskOf } from './pause.ts';
import type { ContainerRecord } from './record.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import { growRoot } from './root-size.ts';
import { cgroupOf, checkSlice } from './slice.ts';
import type { HostConfig, RestartPolicy } from './spec.ts';

export type UpdateWish = {
  readonly limits: LimitsChange;
  /** Bytes of memory to take from the container now; undefined = none. */
  readonly memoryReclaim: number | undefined;
  readonly restartPolicy: RestartPolicy | undefined;
  readonly netRate: NetRateChange;
  /** "2g": of the root. */
  readonly rootSize?: string | undefined;
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
    ...changeLimits(`container ${id}`, record.spec.host, wish.limits),
    ...(wish.restartPolicy === undefined ? {} : { restartPolicy: wish.restartPolicy }),
    netRate: changedRate(record.spec.host.netRate, wish.netRate),
    ...(wish.rootSize === undefined ? {} : { storageOpt: { size: wish.rootSize } }),
  };
  checkDevices(host);
  checkNetPrio(host);
  const told = warningsOf(deps, record.spec.host);
  const all = [...deps.resources.check(host, 'skip').warnings, ...checkSlice(deps, host)];
  refuseMemoryAlone(id, record.spec.host, wish.limits);
  await using undo = new Undo(deps.report);
  await apply(deps, record, host, wish, undo);
  // Last: what has grown does not shrink again.
  if (wish.rootSize !== undefined) await growRoot(deps, record, wish.rootSize);
  const updated = { ...record, spec: { ...record.spec, host } };
  await deps.store.put(updated, { durable: true });
  undo.commit();
  publish(deps, updated, 'update');
  return all.filter((text) => !told.includes(text));
}

/** Those of before, which were told when they were wished: an update tells of itself. */
function warningsOf(deps: Deps, host: HostConfig): readonly string[] {
  try {
    return deps.resources.check(host, 'skip').warnings;
  } catch {
    return []; // this host has less than it had then, which the update may be meant for
  }
}

/** To the running container; a stopped one has its limits from the record, with its next start. */
async function apply(
  deps: Deps,
  record: ContainerRecord,
  host: HostConfig,
  wish: UpdateWish,
  undo: Undo,
): Promise<void> {
  const { id } = record;
  const { memoryReclaim: reclaim } = wish;
  if (reclaim !== undefined) deps.resources.checkReclaim(reclaim);
  if (!isRunning(record.state)) {
    if (reclaim === undefined) return;
    throw new EngineError(
      'conflict',
      `Container ${id} is not running: it has no memory to reclaim`,
    );
  }
  const limits = (of: HostConfig, missing: 'refuse' | 'skip'): BoxLimits => ({
    resources: cgroupOf(deps, of, missing).resources,
    deviceRules: of.deviceCgroupRules,
  });
  const change = limits(host, 'refuse');
  const all = reclaim === undefined ? change : { ...change, reclaim };
  await onTask(deps, id, (task) => task.update(all));
  undo.add('take the limits back', () => taskOf(deps, id).update(limits(record.spec.host, 'skip')));
  await limitNetwork(deps, id, wish.netRate, host.netRate);
  undo.add('take the bandwidth back', () =>
    limitNetwork(deps, id, wish.netRate, record.spec.host.netRate),
  );
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
