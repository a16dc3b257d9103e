// Garbage of the last containers is collected when nothing goes on, not in the middle of the next
// start: V8's nursery is small (packaging/launcher.sh), so that each `docker run` fills it once.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { EventBus } from '#event/bus.ts';

/** After a container was removed: its client is answered, and the next one is not there yet. */
const IDLE_MS = 6;

export function collectBetween(events: Pick<EventBus, 'watch'>): Disposable {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;
  const timer = setTimeout(() => collect({ type: 'minor' }), IDLE_MS).unref();
  const watching = events.watch(({ type, action }) => {
    if (type === 'container' && action === 'destroy') timer.refresh();
  });
  return {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      watching[Symbol.dispose]();
    },
  };
}
