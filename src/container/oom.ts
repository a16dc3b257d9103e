// The `oom` event, with the victim's name. Once a second the kernel is asked for one number, how
// many processes it has killed on the whole machine; only when that has grown are the containers
// looked at. So it costs a start nothing, and needs no memory limit: a container whose child was
// killed because the host had no memory tells of it too.
import type { OomVictim } from '#runtime/oom.ts';
import type { Deps } from './deps.ts';
import { publish } from './event.ts';
import { isRunning } from './guard.ts';
import type { ContainerRecord } from './record.ts';

export const OOM_POLL_MS = 1_000;
/** Of a container that is killed faster than it is looked at. */
const EVENTS_MAX = 16;

export interface OomPort {
  total(): number;
  take(id: string, count: number): readonly OomVictim[];
}

type OomDeps = Pick<Deps, 'store' | 'lives' | 'events' | 'oom' | 'report'>;

/** From now on; what was killed before is not told. */
export function watchOom(deps: OomDeps): Disposable {
  let total = deps.oom.total();
  const running = (): ContainerRecord[] =>
    deps.store.list().filter((record) => isRunning(record.state));
  for (const { id } of running()) {
    const live = deps.lives.of(id);
    live.oomKills = live.task?.oomKills() ?? 0;
  }
  const look = (): void => {
    const now = deps.oom.total();
    if (now === total) return;
    total = now;
    for (const record of running()) {
      const kills = deps.lives.of(record.id).task?.oomKills();
      if (kills !== undefined) tellOom(deps, record, kills);
    }
  };
  const timer = setInterval(() => {
    try {
      look();
    } catch (error) {
      deps.report('look for processes that were killed for want of memory', error);
    }
  }, OOM_POLL_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Tells those of `kills`, counted since its start, that were not told yet. */
export function tellOom(
  deps: OomDeps,
  record: ContainerRecord,
  kills: number,
  /** Its first process, when that is what was killed: for a kernel log that may not be read. */
  first?: OomVictim,
): void {
  const live = deps.lives.of(record.id);
  const count = kills - live.oomKills;
  live.oomKills = kills;
  if (count <= 0) return;
  let victims: readonly OomVictim[] = [];
  try {
    victims = deps.oom.take(record.id, count);
  } catch (error) {
    deps.report('read the kernel log', error);
  }
  const named = victims.length === 0 && first !== undefined ? [first] : victims;
  for (const victim of named.slice(-EVENTS_MAX)) publish(deps, record, 'oom', attributesOf(victim));
  if (named.length === 0) publish(deps, record, 'oom');
}

function attributesOf({ pid, name, anonBytes }: OomVictim): Readonly<Record<string, string>> {
  return {
    victimPid: String(pid),
    victimName: name,
    ...(anonBytes === 0 ? {} : { victimAnonBytes: String(anonBytes) }),
  };
}
