// A build's events as our own command reads them: every stage as it goes, with the reasons of the
// cache.
import type { BuildEvent } from '#build/request.ts';
import type { Progress } from '#image/load.ts';
import type { OwnBuildEvent } from '#wire/build.ts';
import { renderProgress } from '../image/progress.ts';

/** Events that it has no use for: it shows stages side by side. */
type Order = Extract<BuildEvent, { readonly kind: 'stages' | 'stage-end' | 'failed' }>;

export function isOrder(event: BuildEvent): event is Order {
  return event.kind === 'stages' || event.kind === 'stage-end' || event.kind === 'failed';
}

export function renderEvent(event: Exclude<BuildEvent, Order>): OwnBuildEvent {
  switch (event.kind) {
    case 'output': {
      const { data, ...rest } = event;
      return { ...rest, text: Buffer.from(data).toString('utf8') };
    }
    case 'warning': {
      const { message, place, rule } = event.warning;
      return { kind: 'warning', rule, message, line: place.start };
    }
    case 'pull':
      return { kind: 'pull', progress: renderProgress(event.progress as Progress) };
    case 'cache': {
      const { step, verdict } = event;
      const why = verdict.kind === 'miss' ? verdict.why : '';
      return { kind: 'cache', step, hit: verdict.kind === 'hit', why };
    }
    default:
      return event;
  }
}
