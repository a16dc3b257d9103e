// /system/df: what takes space on disk.
import { EngineError } from '#base/error.ts';
import type { DiskUsage } from '#wire/system.ts';
import type { Volume } from '#wire/volume.ts';
import type { ApiDeps } from '../deps.ts';
import { renderBuildCache } from '../build/routes.ts';
import { summaries } from '../container/render-summary.ts';
import { type Exchange, sendJson } from '../exchange.ts';
import { summarizeImages } from '../image/render-image.ts';
import { withSharedSize } from '../image/shared-size.ts';
import { renderVolume } from '../volume/routes.ts';

const TYPES = ['container', 'image', 'volume', 'build-cache'];

export async function getDiskUsage(exchange: Exchange): Promise<void> {
  const { deps, query, version } = exchange;
  const types = query.all('type');
  for (const type of types) {
    if (!TYPES.includes(type)) {
      throw new EngineError('invalid_argument', `unknown object type: ${type.slice(0, 100)}`);
    }
  }
  const wants = (type: string): boolean => types.length === 0 || types.includes(type);
  const views = deps.containers.list();
  const images = deps.images.list();
  const used = (id: string): number => views.filter((view) => view.imageId === id).length;
  const layers = deps.images.deps.snapshots.list();
  // What pulls left that failed counts, too: `image prune` gives it back.
  const left = await deps.images.partials();
  const layersSize = layers.reduce((sum, layer) => sum + layer.bytes, left.bytes);
  const usage: DiskUsage = {
    LayersSize: layersSize,
    BrokenOffDownloads: left.free,
    Images: wants('image')
      ? withSharedSize(deps.images, images, summarizeImages(images, version)).map((image) => ({
          ...image,
          Containers: used(image.Id),
        }))
      : [],
    Containers: wants('container')
      ? await summaries(deps, views, { size: true, networks: deps.networks.records(), version })
      : [],
    Volumes: wants('volume') ? await volumeUsages(deps) : [],
    BuildCache: wants('build-cache') ? await renderBuildCache(deps.builds) : [],
  };
  sendJson(exchange, 200, usage);
}

/** Those whose data is on this host, as dockerd; one after the other, which is what a disk does. */
async function volumeUsages(deps: Pick<ApiDeps, 'volumes'>): Promise<Volume[]> {
  const users = deps.volumes.users();
  const usages: Volume[] = [];
  for (const volume of deps.volumes.list()) {
    if (volume.source.kind !== 'directory') continue;
    const { bytes } = await deps.volumes.usage(volume.name);
    const RefCount = users.get(volume.name)?.length ?? 0;
    usages.push({ ...renderVolume(volume), UsageData: { RefCount, Size: bytes } });
  }
  return usages;
}
