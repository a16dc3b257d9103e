// ContainerView -> one line of `GET /containers/json`.
import { now } from '#base/clock.ts';
import type { ContainerView } from '#container/engine.ts';
import type { ContainerSummary } from '#wire/container.ts';
import type { ApiDeps } from '../deps.ts';
import { renderMountPoint, type Sizes } from './render-inspect.ts';
import { endpointsOf, type NetworkFacts, renderPorts } from './render-network.ts';
import { statusText } from './render-state.ts';

export async function summaries(
  deps: Pick<ApiDeps, 'containers' | 'images'>,
  views: readonly ContainerView[],
  options: NetworkFacts & { readonly size: boolean },
): Promise<readonly ContainerSummary[]> {
  const list: ContainerSummary[] = [];
  const named = new Map<string, string | undefined>();
  for (const view of views) {
    const sizes = options.size ? await sizesOf(deps, view.id) : undefined;
    const summary = renderSummary(view, sizes, options);
    const name = view.imageName;
    if (!named.has(name)) named.set(name, idOf(deps, name));
    list.push(named.get(name) === view.imageId ? summary : { ...summary, Image: view.imageId });
  }
  return list;
}

export function renderSummary(
  view: ContainerView,
  sizes: Sizes | undefined,
  facts: NetworkFacts,
): ContainerSummary {
  const { host } = view.spec;
  const annotated = Object.keys(host.annotations).length > 0;
  return {
    Id: view.id,
    Names: [`/${view.name}`, ...view.linkedAs],
    Image: view.imageName,
    ImageID: view.imageId,
    Command: commandText(view),
    Created: Number(view.createdAt / 1_000_000_000n),
    Ports: renderPorts(view),
    // Zero is left out (Go's omitempty on int64).
    ...(sizes === undefined || sizes.rw === 0 ? {} : { SizeRw: sizes.rw }),
    ...(sizes === undefined || sizes.rootFs === 0 ? {} : { SizeRootFs: sizes.rootFs }),
    Labels: view.merged.labels,
    State: view.state.status,
    Status: statusText(view, now()),
    HostConfig: {
      NetworkMode: host.networkMode,
      ...(annotated ? { Annotations: host.annotations } : {}),
    },
    NetworkSettings: { Networks: endpointsOf(view, facts) },
    Mounts: view.mounts.map(renderMountPoint),
  };
}

function commandText({ merged }: ContainerView): string {
  const args = merged.args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg));
  return [merged.path, ...args].join(' ');
}

/** Which image has the name now: a container whose image has lost it is shown with the ID. */
function idOf(deps: Pick<ApiDeps, 'images'>, name: string): string | undefined {
  try {
    return deps.images.resolve(name).id;
  } catch {
    return undefined;
  }
}

/** A container may go away while a list is made; it is listed without its size then. */
async function sizesOf(deps: Pick<ApiDeps, 'containers'>, id: string): Promise<Sizes | undefined> {
  try {
    return await deps.containers.sizes(id);
  } catch {
    return undefined;
  }
}
