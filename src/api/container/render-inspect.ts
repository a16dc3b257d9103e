// ContainerView -> `GET /containers/{id}/json`.
import { formatTime } from '#base/clock.ts';
import type { ContainerView, MountView } from '#container/engine.ts';
import type { ContainerInspect, MountPoint } from '#wire/container.ts';
import type { Strings } from '#wire/container-config.ts';
import { renderConfig } from './render-config.ts';
import { type HostDefaults, renderHost } from './render-host.ts';
import { type NetworkFacts, renderNetworkSettings } from './render-network.ts';
import { renderState } from './render-state.ts';

export type Sizes = { readonly rw: number; readonly rootFs: number };

export function renderInspect(
  view: ContainerView,
  defaults: HostDefaults,
  sizes: Sizes | undefined,
  facts: NetworkFacts,
): ContainerInspect {
  const paths = pathsOf(view);
  return {
    Id: view.id,
    Created: formatTime(view.createdAt),
    Path: view.merged.path,
    Args: view.merged.args,
    State: renderState(view),
    Image: view.imageId,
    ResolvConfPath: paths.resolvConf,
    HostnamePath: paths.hostname,
    HostsPath: paths.hosts,
    // The file of other drivers is no one's to read.
    LogPath: ['', 'json-file'].includes(view.spec.host.logConfig.type) ? paths.log : '',
    Name: `/${view.name}`,
    RestartCount: view.restartCount,
    Driver: view.driver,
    // "linux/amd64" is shown without the machine, as Docker does.
    Platform: view.platform.split('/')[0] ?? 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: view.execIds.length > 0 ? view.execIds : null,
    HostConfig: { ...renderHost(view.spec.host, defaults), Links: links(view) },
    GraphDriver: { Data: view.graph, Name: view.driver },
    ...(sizes === undefined ? {} : { SizeRw: sizes.rw, SizeRootFs: sizes.rootFs }),
    Mounts: view.mounts.map(renderMountPoint),
    Config: renderConfig(view),
    NetworkSettings: renderNetworkSettings(view, facts),
  };
}

/** Written by a start: before the first one there is nothing to read. */
function pathsOf({ state, startError, paths }: ContainerView): ContainerView['paths'] {
  if (state.status !== 'created' || startError !== undefined) return paths;
  return { log: '', hosts: '', hostname: '', resolvConf: '' };
}

function links(view: ContainerView): Strings | null {
  return view.links.length > 0 ? view.links : null;
}

export function renderMountPoint(mount: MountView): MountPoint {
  return {
    Type: mount.type,
    ...(mount.name === undefined ? {} : { Name: mount.name }),
    Source: mount.source,
    Destination: mount.destination,
    ...(mount.driver === undefined ? {} : { Driver: mount.driver }),
    Mode: mount.mode,
    RW: mount.rw,
    Propagation: mount.propagation,
  };
}
