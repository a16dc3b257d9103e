// Events of containers, with the attributes that Docker's carry: labels, then image and name.
import type { ContainerAction, Publisher } from '#event/event.ts';
import type { ContainerRecord } from './record.ts';

export function publish(
  deps: { readonly events: Publisher },
  record: ContainerRecord,
  action: ContainerAction,
  more: Readonly<Record<string, string>> = {},
): void {
  const attributes = {
    ...record.merged.labels,
    image: record.image.name,
    name: record.name,
    ...more,
  };
  deps.events.publish({ type: 'container', action, actor: { id: record.id, attributes } });
}
